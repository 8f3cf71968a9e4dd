#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/json_file.h"

namespace cairn {

/// Sizes that checkpoints do not hold, from architecture.json beside one, or from the published models.
class Sizes {
 public:
  explicit Sizes(const std::filesystem::path& checkpoint) : checkpoint_(checkpoint.string()) {
    const std::filesystem::path path = checkpoint.parent_path() / "architecture.json";
    if (std::filesystem::exists(path)) file_.emplace(path);
  }

  /// The checkpoint they are for.
  const std::string& checkpoint() const { return checkpoint_; }

  std::int64_t value(const std::string& key, std::int64_t fallback) const {
    return file_ && file_->json().contains(key) ? file_->size(key) : fallback;
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
  std::string checkpoint_;
  std::optional<JsonFile> file_;
};

}  // namespace cairn
