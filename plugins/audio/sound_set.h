#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cairn/modality.h"
#include "cairn/shard_set.h"
#include "sound.h"

namespace cairn::audio {

/// One part of a data set: recordings by index, from wherever they come. Immutable, so safe from several threads.
class SoundSet {
 public:
  virtual ~SoundSet() = default;

  virtual std::int64_t size() const = 0;
  /// -1 where unknown, or where there are several.
  virtual std::int64_t label(std::int64_t index) const = 0;
  /// All classes of a recording, where it may have several; empty otherwise.
  virtual std::vector<std::int64_t> all_labels(std::int64_t index) const;
  /// Whether recordings may have several classes.
  virtual bool is_multi_label() const { return false; }
  virtual std::string name(std::int64_t index) const = 0;
  /// DataError if it cannot be read.
  virtual Sound fetch(std::int64_t index, const Excerpt& excerpt) const = 0;
  /// Empty when the recordings carry no labels.
  virtual const std::vector<std::string>& classes() const = 0;
  virtual ReadOrder read_order() const { return {}; }
};

/// How a folder is divided into classes and parts.
struct ClipRules {
  std::string pattern;                   // of file names: "{label}_{speaker}_{index}.wav"
  std::string test_field;                // the field that says what is for testing
  std::vector<std::string> test_values;  // and its values there
  double test_share = 0.2;               // where nothing else divides the data
};

/// Opens a folder of recordings: ESC-50 (meta/esc50.csv), Speech Commands (testing_list.txt), files named by a pattern,
/// else class folders or a flat folder. nullptr where there is no such part. DataError if there is nothing to read.
std::unique_ptr<SoundSet> open_clips(const std::filesystem::path& path, const ClipRules& rules,
                                     const ReadOptions& reading, Split split);

/// Opens a list file with lines "path[<tab or space>label]", paths relative to its folder.
std::unique_ptr<SoundSet> open_sound_list(const std::filesystem::path& path, const std::filesystem::path& test_path,
                                          double test_share, const ReadOptions& reading, Split split);

/// Opens recordings in tar files.
std::unique_ptr<SoundSet> open_sound_shards(const ShardOptions& shards, const ReadOptions& reading, Split split);

/// Opens AudioSet's segment lists: lines `id, start, end, "class,class"`, clips named by their id below `folder`.
/// Classes are those of `class_path` (class_labels_indices.csv), else those of the lists.
std::unique_ptr<SoundSet> open_segments(const std::filesystem::path& path, const std::filesystem::path& test_path,
                                        const std::filesystem::path& folder, const std::filesystem::path& class_path,
                                        const ReadOptions& reading, Split split);

}  // namespace cairn::audio
