#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cairn/file_set.h"
#include "cairn/shard_set.h"
#include "footage.h"
#include "frame_cache.h"
#include "video_file.h"

namespace cairn::video {

/// What is taken for a video: video files, animated pictures, and folders of numbered pictures.
const FileFilter& video_files();
/// Pictures, for batches of pictures.
const FileFilter& still_files();

/// Indices of files, so that each file's packets are read once. Bounded, oldest out first. Thread-safe.
class IndexCache {
 public:
  explicit IndexCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  std::shared_ptr<const VideoIndex> find(std::int64_t sample) const;
  void store(std::int64_t sample, std::shared_ptr<const VideoIndex> index);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, std::shared_ptr<const VideoIndex>> known_;
  std::deque<std::int64_t> order_;  // in which they came
  std::size_t bytes_ = 0, most_bytes_;
};

/// Videos whose indices are kept, and with `cache_bytes` their decoded frames.
class StoredFootage : public FootageSet {
 public:
  StoredFootage(const ReadLimits& limits, std::size_t cache_bytes);

  std::unique_ptr<Footage> open(std::int64_t index) const final;

 protected:
  /// A sample as it is stored.
  virtual std::unique_ptr<Footage> open_stored(std::int64_t index) const = 0;
  /// For that: a video of whatever format.
  std::unique_ptr<Footage> open_video(std::int64_t index, VideoInput input) const;

 private:
  ReadLimits limits_;
  mutable IndexCache indices_;
  mutable FrameCache frames_;
};

/// Videos, pictures and folders of frames by path.
class FileFootage : public StoredFootage {
 public:
  FileFootage(FileSet files, const ReadLimits& limits, std::size_t cache_bytes)
      : StoredFootage(limits, cache_bytes), files_(std::move(files)) {}

  std::int64_t size() const override { return files_.size(); }
  std::int64_t label(std::int64_t index) const override { return files_.label(index); }
  std::string name(std::int64_t index) const override { return files_.path(index).string(); }
  std::vector<std::string> classes() const override { return files_.classes(); }

 private:
  std::unique_ptr<Footage> open_stored(std::int64_t index) const override;

  FileSet files_;
};

/// Videos in tar files, read where they lie.
class ShardFootage : public StoredFootage {
 public:
  ShardFootage(std::unique_ptr<ShardSet> shards, const ReadLimits& limits, std::size_t cache_bytes)
      : StoredFootage(limits, cache_bytes), shards_(std::move(shards)) {}

  std::int64_t size() const override { return shards_->size(); }
  std::int64_t label(std::int64_t index) const override { return shards_->label(index); }
  std::string name(std::int64_t index) const override { return shards_->name(index); }
  std::vector<std::string> classes() const override { return shards_->classes(); }
  ReadOrder read_order() const override { return shards_->read_order(); }

 private:
  std::unique_ptr<Footage> open_stored(std::int64_t index) const override;

  std::shared_ptr<const ShardSet> shards_;  // footage that is open reads from it
};

/// Several sets as one, each with its share: sample i of the whole belongs to a set by weight, and every sample of
/// every set comes at least once before all have come.
class MixedFootage : public FootageSet {
 public:
  /// `weights`: one positive number for each set.
  MixedFootage(std::vector<std::unique_ptr<FootageSet>> sets, const std::vector<double>& weights);

  std::int64_t size() const override { return starts_.back(); }
  std::int64_t label(std::int64_t index) const override;
  std::string name(std::int64_t index) const override;
  std::unique_ptr<Footage> open(std::int64_t index) const override;
  std::vector<std::string> classes() const override { return sets_.front()->classes(); }

 private:
  struct Place {
    const FootageSet* set;
    std::int64_t index;
  };
  Place place(std::int64_t index) const;

  std::vector<std::unique_ptr<FootageSet>> sets_;
  std::vector<std::int64_t> starts_;  // of each set's samples in the whole, and their end
};

}  // namespace cairn::video
