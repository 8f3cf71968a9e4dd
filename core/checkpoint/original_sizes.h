#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/json_file.h"
#include "interface/suggest.h"

namespace cairn {

/// Sizes that checkpoints do not hold, from architecture.json beside one, or from the published models.
class Sizes {
 public:
  explicit Sizes(const std::filesystem::path& checkpoint) : checkpoint_(checkpoint.string()) {
    const std::filesystem::path path = checkpoint.parent_path() / "architecture.json";
    if (!std::filesystem::exists(path)) return;
    file_.emplace(path);
    for (const auto& [key, value] : file_->json().items()) require_known(key);
  }

  /// The checkpoint they are for.
  const std::string& checkpoint() const { return checkpoint_; }

  std::int64_t value(const std::string& key, std::int64_t fallback) const {
    return file_ && file_->json().contains(key) ? file_->size(key) : fallback;
  }
  /// Attention heads of a network of this width: `key`, else `usual`, 0 where no published network is so wide.
  /// DataError where neither tells it.
  std::int64_t heads(const std::string& key, std::int64_t width, std::int64_t usual) const {
    if (file_ && file_->json().contains(key)) return file_->divisor(key, width);
    if (usual > 0 && width % usual == 0) return usual;
    throw DataError(
        fmt::format("the file does not tell the number of attention heads, and no published network is known "
                    "that is {} wide",
                    width),
        checkpoint_, fmt::format("say it in an architecture.json beside the file, as in {{\"{}\": 12}}", key));
  }
  /// Height and width of views: one number for both, or a list; nothing where the file does not say it.
  std::optional<std::vector<std::int64_t>> sides() const {
    if (!file_ || !file_->json().contains("img_size")) return std::nullopt;
    return file_->sizes("img_size", 2);
  }
  std::string text(const std::string& key) const { return file_ ? file_->value<std::string>(key, "") : ""; }
  double real(const std::string& key, double fallback) const { return file_ ? file_->value(key, fallback) : fallback; }
  /// Of the layer norms: 1e-6 in every repository.
  double epsilon() const { return real("norm_epsilon", 1e-6); }
  bool flag(const std::string& key, bool fallback) const { return file_ ? file_->value(key, fallback) : fallback; }

 private:
  void require_known(const std::string& key) const {
    // The last six the tensors tell as well.
    static const std::array<std::string, 19> known = {
        "num_heads",      "predictor_num_heads", "img_size",       "num_frames",
        "mask_ratio",     "norm_epsilon",        "original",       "uniform_power",
        "head_num_heads", "head_norm_epsilon",   "head_mean",      "decoder_window",
        "no_shift",       "patch_size",          "tubelet_size",   "embed_dim",
        "depth",          "predictor_embed_dim", "predictor_depth"};
    if (std::find(known.begin(), known.end(), key) != known.end()) return;
    std::string advice = did_you_mean(key, known);
    if (advice.empty()) advice = fmt::format("known are {}", fmt::join(known, ", "));
    throw DataError(fmt::format("the key '{}' is not known", key), file_->path().string(), advice);
  }

  std::string checkpoint_;
  std::optional<JsonFile> file_;
};

}  // namespace cairn
