#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/file_set.h"
#include "cairn/modality.h"
#include "cairn/shard_set.h"
#include "media/picture.h"

namespace cairn::image {

using media::Picture;

/// A sample before any transform: the bytes of a file, or pixels.
using Content = std::variant<std::vector<std::uint8_t>, Picture>;

/// One part of a data set: samples by index, from wherever they come. Immutable, so safe from several threads.
class ImageSet {
 public:
  virtual ~ImageSet() = default;

  virtual std::int64_t size() const = 0;
  /// -1 where unknown.
  virtual std::int64_t label(std::int64_t index) const = 0;
  virtual std::string name(std::int64_t index) const = 0;
  /// DataError if it cannot be read.
  virtual Content fetch(std::int64_t index) const = 0;
  /// Empty when the samples carry no labels.
  virtual const std::vector<std::string>& classes() const = 0;
  virtual ReadOrder read_order() const { return {}; }
};

/// Opens class folders, a flat folder or a single picture; see README.md for what counts as the test part.
/// nullptr where there is no such part. DataError if there is nothing to read.
std::unique_ptr<ImageSet> open_folder(const std::filesystem::path& path, Split split, double test_share);

/// Opens a list file with lines "path[<tab or space>label]", paths relative to its folder. `test_path` (may be empty)
/// lists the test part.
std::unique_ptr<ImageSet> open_list(const std::filesystem::path& path, const std::filesystem::path& test_path,
                                    Split split, double test_share);

/// Opens pictures in tar files.
std::unique_ptr<ImageSet> open_shards(const ShardOptions& shards, Split split);

/// Opens the binary version of CIFAR-10 or CIFAR-100 (fine labels).
std::unique_ptr<ImageSet> open_cifar(const std::filesystem::path& path, Split split, double test_share);

/// Opens IDX images and labels, gzipped or not: a folder, or the file of the images.
std::unique_ptr<ImageSet> open_idx(const std::filesystem::path& path, Split split, double test_share);

}  // namespace cairn::image
