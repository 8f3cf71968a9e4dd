#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"

namespace cairn {

/// Which files a modality reads. `noun` is what a person calls one ("image"); extensions are lower case, with the dot.
struct CAIRN_API FileFilter {
  std::string noun;
  std::vector<std::string> extensions;
  std::vector<std::string> frames = {};  // a folder of nothing but files with these extensions is one sample

  /// Whether the name ends like such a file, in upper or lower case.
  bool matches(const std::filesystem::path& name) const;
  /// Whether the name ends like a frame.
  bool is_frame(const std::filesystem::path& name) const;
  /// The extensions in one line, for messages.
  std::string extension_list() const;
};

/// The files of one part of a data set, with their labels. Paths lie in one string, since there may be millions.
/// Immutable once filled, so safe from several threads.
class CAIRN_API FileSet {
 public:
  /// All files lie below `root`.
  explicit FileSet(std::filesystem::path root) : root_(std::move(root)) {}

  /// Appends a file by its path below the root; label -1 where there is none.
  void add(std::string_view relative, std::int64_t label);
  /// Names of the labels 0, 1 and so on.
  void set_classes(std::vector<std::string> classes) { classes_ = std::move(classes); }
  /// To be called once it is filled.
  void release_spare_memory();

  std::int64_t size() const { return static_cast<std::int64_t>(starts_.size()); }
  /// -1 where unknown.
  std::int64_t label(std::int64_t index) const { return labels_.at(static_cast<std::size_t>(index)); }
  std::filesystem::path path(std::int64_t index) const { return root_ / relative(index); }
  /// The path below the root, good as long as the set.
  std::string_view relative(std::int64_t index) const { return &paths_[starts_.at(static_cast<std::size_t>(index))]; }
  const std::filesystem::path& root() const { return root_; }
  /// Empty when the files carry no labels.
  const std::vector<std::string>& classes() const { return classes_; }

 private:
  std::filesystem::path root_;
  std::string paths_;  // relative to root_, each ended by a zero
  std::vector<std::uint64_t> starts_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> classes_;
};

/// Divides a set that has no test part of its own: every k-th sample of each class is for testing, k being 1 / share.
class CAIRN_API Divider {
 public:
  /// share 0: everything is for training.
  explicit Divider(double share);
  /// Whether the next sample of this class belongs to `split`.
  bool takes(Split split, std::int64_t label);

 private:
  std::int64_t every_;
  std::vector<std::int64_t> seen_;
};

/// DataError unless something exists at `path`, which modality.path names.
CAIRN_API void require_data(const std::filesystem::path& path);

/// Opens class folders (`train/` with `val/` or `test/` beneath, or divided by `test_share`), a flat folder without
/// labels, or a single file. nullptr where there is no such part. DataError if there is nothing to read.
CAIRN_API std::unique_ptr<FileSet> open_folder(const FileFilter& filter, const std::filesystem::path& path, Split split,
                                               double test_share);

/// Opens a list file with lines "path[<tab, two colons or space>label]", paths relative to its folder. `test_path` (may
/// be empty) lists the test part. nullptr where there is no such part. DataError if a list cannot be read or is empty.
CAIRN_API std::unique_ptr<FileSet> open_list(const FileFilter& filter, const std::filesystem::path& path,
                                             const std::filesystem::path& test_path, Split split, double test_share);

/// Opens several lists whose labels count together: one set for each list, nullptr for a list without such a part; of
/// the test part one set only where `test_path` names it.
CAIRN_API std::vector<std::unique_ptr<FileSet>> open_lists(const FileFilter& filter,
                                                           const std::vector<std::filesystem::path>& paths,
                                                           const std::filesystem::path& test_path, Split split,
                                                           double test_share);

}  // namespace cairn
