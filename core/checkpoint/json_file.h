#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cairn/error.h"

namespace cairn {

/// A JSON object in a file, with sentences for what is missing in it.
class JsonFile {
 public:
  explicit JsonFile(const std::filesystem::path& path) : path_(path) {
    std::ifstream stream(path);
    if (!stream) throw DataError("the file cannot be read", path.string(), "a checkpoint folder needs it");
    json_ = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
    if (!json_.is_object()) throw DataError("the file is no JSON object", path.string(), "get it again");
  }

  /// The value of `key`, or `fallback` where it is null or not there; DataError if it is of another type.
  template <class T>
  T value(const std::string& key, const T& fallback) const {
    if (const auto found = json_.find(key); found != json_.end() && found->is_null()) return fallback;
    try {
      return json_.value(key, fallback);
    } catch (const nlohmann::json::exception&) {
      throw DataError("'" + key + "' has a value of the wrong type", path_.string());
    }
  }

  /// The positive whole number `key`; DataError if there is none.
  std::int64_t size(const std::string& key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) throw DataError("'" + key + "' is missing", path_.string());
    if (!found->is_number_integer() || found->get<std::int64_t>() < 1)
      throw DataError("'" + key + "' must be a whole number of at least 1", path_.string());
    return found->get<std::int64_t>();
  }

  /// The positive whole number `key` that divides `width`, as a number of heads must; DataError if it does not.
  std::int64_t divisor(const std::string& key, std::int64_t width) const {
    const std::int64_t found = size(key);
    if (width % found == 0) return found;
    throw DataError(
        "'" + key + "' is " + std::to_string(found) + ", which does not divide a width of " + std::to_string(width),
        path_.string());
  }

  /// Positive whole numbers of a reasonable size, one for each of `count` axes: a list, or one number for all.
  std::vector<std::int64_t> sizes(const std::string& key, std::size_t count) const {
    constexpr std::int64_t kLargest = 1 << 20;
    const auto found = json_.find(key);
    std::vector<std::int64_t> all;
    if (found == json_.end() || !found->is_array()) {
      all.assign(count, size(key));
    } else {
      for (const auto& item : *found) all.push_back(item.is_number_integer() ? item.get<std::int64_t>() : 0);
    }
    const auto is_wrong = [](std::int64_t n) { return n < 1 || n > kLargest; };
    if (all.size() != count || std::any_of(all.begin(), all.end(), is_wrong))
      throw DataError("'" + key + "' must be " + std::to_string(count) + " whole numbers from 1 to 1048576",
                      path_.string());
    return all;
  }

  const nlohmann::json& json() const { return json_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  nlohmann::json json_;
};

}  // namespace cairn
