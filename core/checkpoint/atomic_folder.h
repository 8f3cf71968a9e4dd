#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "cairn/export.h"
#include "checkpoint/file_writer.h"

namespace cairn {

/// A folder that appears complete or not at all, also after `kill -9` or a full disk: files are written to
/// `<name>.tmp-<pid>@<host>` beside it; commit() syncs and renames. Without commit() the destructor removes what was
/// written. Opening one removes the leftovers of dead processes in the parent folder first.
class CAIRN_API AtomicFolder {
 public:
  /// Throws Error when the temporary folder cannot be made.
  explicit AtomicFolder(std::filesystem::path target);
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  ~AtomicFolder();

  /// Where a file is to be written until commit(): inside the temporary folder.
  std::filesystem::path file(const std::string& name) const { return temporary_ / name; }
  /// Writes, syncs and closes one file.
  void write_file(const std::string& name, std::string_view content);
  /// Calls `fill` with a writer for the file, then syncs and closes it.
  void write_file(const std::string& name, const std::function<void(FileWriter&)>& fill);
  /// Makes the folder visible under its name; a folder of that name is replaced. Throws Error.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

/// Replaces or creates one file, so that a reader sees the old or the new content and never a part. Throws Error.
CAIRN_API void write_file_atomically(const std::filesystem::path& path, std::string_view content);
/// Same, with a function that writes the content; what it throws leaves the old file as it was.
CAIRN_API void write_file_atomically(const std::filesystem::path& path, const std::function<void(FileWriter&)>& fill);

/// Removes a folder so that an interruption leaves no half-empty folder of that name. No error when it is missing.
CAIRN_API void remove_folder(const std::filesystem::path& folder);

/// Removes temporary folders and files that dead processes left in `parent`, or another host an hour ago; puts back a
/// folder whose replacement was interrupted between its two renames, on whatever host. Called by AtomicFolder; call it
/// also before reading such a folder.
CAIRN_API void remove_leftovers(const std::filesystem::path& parent);

}  // namespace cairn
