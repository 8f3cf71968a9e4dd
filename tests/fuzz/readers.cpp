// libFuzzer target: whatever the bytes are, the readers of checkpoints give tensors or a sentence. The first byte picks
// the reader.
#include <ATen/ATen.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/cairn_folder.h"
#include "checkpoint/original.h"
#include "checkpoint/published.h"
#include "checkpoint/safetensors.h"

namespace {

namespace fs = std::filesystem;

std::uint32_t crc32(const std::string& bytes) {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= static_cast<std::uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// A PyTorch archive around a pickle, with a sound check sum, so that the pickle's reader is reached.
std::string archive(const std::string& pickle) {
  const std::vector<std::pair<std::string, std::string>> records = {
      {"x/data.pkl", pickle}, {"x/version", "3\n"}, {"x/data/0", std::string(64, '\1')}};
  std::string files, index;
  for (const auto& [name, content] : records) {
    std::string facts;
    for (const int zero : {20, 0, 0, 0, 0}) put<std::uint16_t>(facts, static_cast<std::uint16_t>(zero));
    put(facts, crc32(content));
    put(facts, static_cast<std::uint32_t>(content.size()));
    put(facts, static_cast<std::uint32_t>(content.size()));
    put(facts, static_cast<std::uint16_t>(name.size()));
    put<std::uint16_t>(facts, 0);
    index += std::string("PK\1\2") + std::string("\x14\0", 2) + facts + std::string(10, '\0');
    put(index, static_cast<std::uint32_t>(files.size()));
    index += name;
    files += std::string("PK\3\4") + facts + name + content;
  }
  std::string end("PK\5\6\0\0\0\0", 8);
  for (int i = 0; i < 2; ++i) put(end, static_cast<std::uint16_t>(records.size()));
  put(end, static_cast<std::uint32_t>(index.size()));
  put(end, static_cast<std::uint32_t>(files.size()));
  return files + index + end + std::string(2, '\0');
}

const fs::path& folder() {
  static const fs::path path = [] {
    std::string name = (fs::temp_directory_path() / "cairn-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    return fs::path(name);
  }();
  return path;
}

fs::path write(const std::string& name, const std::string& bytes) {
  std::ofstream(folder() / name, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return folder() / name;
}

/// Touches every value, so that one outside the file is noticed.
void use(const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  volatile char sink = 0;
  const auto* bytes = static_cast<const char*>(whole.const_data_ptr());
  for (std::size_t i = 0; i < whole.nbytes(); ++i) sink = static_cast<char>(sink + bytes[i]);
}

void use(const std::map<std::string, at::Tensor>& tensors) {
  // A tensor without strides shows one value any number of times: not worth the time here.
  for (const auto& [name, tensor] : tensors)
    if (tensor.numel() < 1 << 16) use(tensor);
}

void read(std::uint8_t which, const std::string& bytes) {
  switch (which % 5) {
    case 0:
      return use(cairn::read_safetensors(write("x.safetensors", bytes)).tensors);
    case 1:
      return use(cairn::read_pickled_tensors(write("x.pth.tar", archive(bytes))));
    case 2:
      return use(cairn::read_pickled_tensors(write("x.pth.tar", bytes)));
    case 3:
      write("config.json", bytes);
      return use(cairn::read_huggingface(folder()).encoder.weights);
    default:
      write("cairn.json", bytes);
      return use(cairn::read_cairn_folder(folder()).encoder.weights);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    read(data[0], std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  } catch (const cairn::Error&) {
  }
  return 0;
}
