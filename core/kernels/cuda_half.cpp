#include "kernels/cuda_half.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include <filesystem>

#include "kernels/no_cuda.h"

namespace cairn::kernels {
namespace {

namespace fs = std::filesystem;

using Record = void (*)(const std::function<void()>& work, std::unique_ptr<RecordedWork>& out);

struct CudaHalf {
  Record record = nullptr;
  std::string trouble;
};

/// Where `name` would lie beside the library that `address` is of.
fs::path beside(const void* address, const char* name) {
  Dl_info found{};
  dladdr(address, &found);
  return fs::absolute(found.dli_fname).parent_path() / name;
}

void* open(const fs::path& library, std::string& trouble) {
  void* opened = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (opened == nullptr) trouble = dlerror();
  return opened;
}

CudaHalf load_cuda_half() {
  CudaHalf half;
  const fs::path own = beside(reinterpret_cast<const void*>(&record_on_cuda), "libcairn_cuda.so");
  const bool is_built = fs::exists(own), has_driver = is_built && dlopen("libcuda.so.1", RTLD_LAZY) != nullptr;
  if (!has_driver) return half;
  const fs::path torchs = beside(reinterpret_cast<const void*>(&at::globalContext), "libtorch_cuda.so");
  if (open(torchs, half.trouble) == nullptr) return half;
  void* opened = open(own, half.trouble);
  if (opened != nullptr) half.record = reinterpret_cast<Record>(dlsym(opened, "cairn_record_on_cuda"));
  return half;
}

const CudaHalf& cuda_half() {
  static const CudaHalf half = load_cuda_half();
  return half;
}

/// As the core's library is loaded.
[[gnu::constructor]] void load_early() { cuda_half(); }

}  // namespace

std::unique_ptr<RecordedWork> record_on_cuda(const std::function<void()>& work) {
  if (!has_cuda_half()) refuse_without_cuda();
  std::unique_ptr<RecordedWork> recorded;
  cuda_half().record(work, recorded);
  return recorded;
}

bool has_cuda_half() { return cuda_half().record != nullptr; }

const std::string& cuda_trouble() { return cuda_half().trouble; }

}  // namespace cairn::kernels
