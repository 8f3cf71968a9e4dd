#include "evaluate/feature_cache.h"

#include <ATen/ATen.h>
#include <c10/util/hash.h>

#include <system_error>

#include "checkpoint/safetensors.h"

namespace cairn {
namespace {

/// The bytes of a tensor on the CPU, with its type and shape in front.
std::string bytes_of(const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().cpu().contiguous();
  std::string out = std::string(at::toString(values.scalar_type())) + " " + std::to_string(values.dim());
  for (const std::int64_t size : values.sizes()) out += " " + std::to_string(size);
  return out.append(static_cast<const char*>(values.const_data_ptr()), values.nbytes());
}

std::string digest(const std::string& text) { return c10::sha1(text).str(); }

}  // namespace

std::string weights_digest(const torch::nn::Module& module) {
  std::string digests;
  for (const auto& item : module.named_parameters()) digests += item.key() + digest(bytes_of(item.value()));
  for (const auto& item : module.named_buffers()) digests += item.key() + digest(bytes_of(item.value()));
  return digest(digests);
}

Embed cached_embed(Embed embed, std::string key, std::filesystem::path folder, std::function<void(const Error&)> tell) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    const Error fault("features cannot be kept (" + error.message() + ")", folder.string(),
                      "name another folder with --cache, or pass --cache none");
    if (!tell) throw fault;
    tell(fault);
    return embed;
  }
  return [embed = std::move(embed), key = std::move(key), folder = std::move(folder),
          tell = std::move(tell)](const View& view) {
    const std::filesystem::path path =
        folder / (digest(key + view.grid.text() + digest(bytes_of(view.data))) + ".safetensors");
    if (std::filesystem::exists(path)) {
      try {
        return read_safetensors(path).tensors.at("features").clone();
      } catch (const std::exception&) {
        // Damaged: made anew and replaced below.
      }
    }
    const at::Tensor features = embed(view).to(at::kCPU, at::kFloat).contiguous();
    try {
      write_safetensors(path, {{"features", features}});
    } catch (const Error& fault) {
      if (!tell) throw;
      tell(fault);
    }
    return features;
  };
}

}  // namespace cairn
