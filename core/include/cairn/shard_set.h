#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/file_set.h"
#include "cairn/modality.h"
#include "cairn/options.h"

namespace cairn {

/// Which tar files a data set is.
struct ShardOptions {
  /// A tar file, a folder of them, or a pattern as WebDataset writes it: "train-{000..146}.tar".
  std::string path;
  /// The same for the test part; may be empty.
  std::string test_path;
  /// Share of each class kept for testing where the data have no test part.
  double test_share = 0.2;
  /// Samples side by side are read in one go where its run is longer than 1.
  ReadOrder reading = {};
};

/// The options of a modality that reads tar files: members path, test_path, read_run and read_mix of its struct.
template <class O>
void add_shard_options(Schema<O>& s) {
  using Text = std::string O::*;  // the members may be a base's
  using Number = std::int64_t O::*;
  s.option("path", Text(&O::path), "a tar file, a folder of them, or a pattern: \"train-{000..146}.tar\"")
      .required()
      .path();
  s.option("test_path", Text(&O::test_path), "the same for the test part").path();
  s.option("read_run", Number(&O::read_run),
           "samples side by side that are read in one go, as slow disks and networks need it; 1: each by itself, every "
           "epoch in an order of its own")
      .range(1, 1 << 20);
  s.option("read_mix", Number(&O::read_mix),
           "runs among which training mixes its samples: more of them shuffle better and stay longer in memory")
      .range(1, 1024);
}

/// What such options say.
template <class O>
ShardOptions shards_of(const O& options) {
  return {options.path, options.test_path, options.test_share, {options.read_run, options.read_mix}};
}

/// The samples of one part of a data set in tar files ("shards"), as WebDataset lays them out. Immutable, so safe from
/// several threads. Nothing is unpacked: an index of some 60 bytes a sample is held in memory.
class CAIRN_API ShardSet {
 public:
  struct Content;
  explicit ShardSet(std::unique_ptr<const Content> content);
  ~ShardSet();

  std::int64_t size() const;
  /// -1 where unknown.
  std::int64_t label(std::int64_t index) const;
  /// "shard.tar:folder/picture.jpg".
  std::string name(std::int64_t index) const;
  /// The bytes of a sample. DataError if they cannot be read.
  std::vector<std::uint8_t> read(std::int64_t index) const;
  /// How many bytes that is.
  std::uint64_t bytes(std::int64_t index) const;
  /// Fills `out` with a sample's bytes from `offset` on, for what is too large to be read whole. DataError if they
  /// cannot be read, or the sample has no such bytes.
  void read(std::int64_t index, std::uint64_t offset, std::span<std::uint8_t> out) const;
  /// Empty when the samples carry no labels.
  const std::vector<std::string>& classes() const;
  /// As asked for; of a SampleSource to hand on.
  const ReadOrder& read_order() const;

 private:
  std::unique_ptr<const Content> content_;
};

/// Opens tar files. Members whose names are equal up to the first dot are one sample: the one that `filter` matches,
/// with its label in a member ".cls", a class's number or name. Where there are no such members, the folder that a
/// sample lies in is its class. Parts are folders `train/` and `val/` or `test/`, or are told by such words in the
/// shards' names, unless test_path is given. nullptr where there is no such part. DataError if there is nothing to
/// read, or a shard is damaged.
CAIRN_API std::unique_ptr<ShardSet> open_shards(const FileFilter& filter, const ShardOptions& options, Split split);

}  // namespace cairn
