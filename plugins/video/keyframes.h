#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ava_table.h"
#include "footage_set.h"

namespace cairn::video {

/// Where the moments of a data set are written, and what to leave out of them.
struct KeyframeTables {
  std::filesystem::path path, test_path;  // in AVA's format; no test_path: some videos are kept for testing
  double test_share = 0.2;                // of the videos, then
  std::vector<std::string> excluded;      // lists of moments
  std::filesystem::path actions;          // list of actions; empty: every one that the tables name
};

/// The moments of one part with the actions of both.
struct KeyframePart {
  Keyframes keyframes;  // empty where there is no such part
  ActionNames names;
};

/// DataError if a table cannot be read, or nothing is left of the training part.
KeyframePart read_part(const KeyframeTables& tables, Split split);

/// Moments of videos, one sample each, named "video_id@902".
class KeyframeFootage : public FootageSet {
 public:
  /// Videos are files below `folder`, or folders of frames in it, found by their names without endings; they begin
  /// `first_second` seconds into their films. DataError if not one of them is there.
  KeyframeFootage(const KeyframePart& part, const std::filesystem::path& folder, double first_second,
                  const ReadLimits& limits, std::size_t cache_bytes);

  std::int64_t size() const override { return static_cast<std::int64_t>(samples_.size()); }
  std::int64_t label(std::int64_t) const override { return -1; }
  std::string name(std::int64_t index) const override;
  /// DataError where the video is not there.
  std::unique_ptr<Footage> open(std::int64_t index) const override;
  std::vector<std::string> classes() const override { return classes_; }
  std::optional<double> moment(std::int64_t index) const override;
  std::map<std::string, at::Tensor> facts(std::int64_t index) const override;

 private:
  struct Keyframe {
    Moment moment;
    std::int64_t file = -1;  // of its video; -1: not there
    std::vector<ActionBox> boxes;
  };
  const Keyframe& sample(std::int64_t index) const { return samples_.at(static_cast<std::size_t>(index)); }

  std::filesystem::path folder_;
  double first_second_;
  std::vector<Keyframe> samples_;
  std::vector<std::string> classes_;
  std::map<std::int64_t, std::int64_t> columns_;  // of the actions, by id
  std::unique_ptr<FileFootage> files_;
};

}  // namespace cairn::video
