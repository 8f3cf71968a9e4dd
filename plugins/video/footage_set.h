#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "cairn/file_set.h"
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

/// Videos, pictures and folders of frames by path.
class FileFootage : public FootageSet {
 public:
  /// Decoded frames take up to `cache_bytes`.
  FileFootage(FileSet files, const ReadLimits& limits, std::size_t cache_bytes);

  std::int64_t size() const override { return files_.size(); }
  std::int64_t label(std::int64_t index) const override { return files_.label(index); }
  std::string name(std::int64_t index) const override { return files_.path(index).string(); }
  std::unique_ptr<Footage> open(std::int64_t index) const override;
  std::vector<std::string> classes() const override { return files_.classes(); }

 private:
  std::unique_ptr<Footage> open_file(std::int64_t index) const;

  FileSet files_;
  ReadLimits limits_;
  mutable IndexCache indices_;
  mutable FrameCache frames_;
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
