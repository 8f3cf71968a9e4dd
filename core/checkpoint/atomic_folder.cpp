#include "checkpoint/atomic_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "interface/host_name.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTemporaryMark = ".tmp-";
constexpr std::string_view kReplacedMark = ".old-";
constexpr std::string_view kRemovedMark = ".gone-";
constexpr std::chrono::hours kForeignAge(1);  // after which what another host wrote counts as left for good

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

fs::path marked(const fs::path& path, std::string_view mark) {
  return path.string() + std::string(mark) + std::to_string(::getpid()) + "@" + host_name();
}

bool alive(pid_t process) { return ::kill(process, 0) == 0 || errno == EPERM; }

struct Leftover {
  std::string name;  // without the mark
  pid_t owner;
  std::string host;
};

bool is_old(const fs::path& path) {
  std::error_code error;
  const auto written = fs::last_write_time(path, error);
  return !error && fs::file_time_type::clock::now() - written > kForeignAge;
}

/// Whether its owner still works on it. Of a process on another host, which may have been this one's container, only
/// the age of what it writes is known; what it replaced or removes is needed by nobody but a reader.
bool is_owned(const fs::path& path, const Leftover& leftover, std::string_view mark) {
  if (leftover.host == host_name()) return alive(leftover.owner);
  return mark == kTemporaryMark && !is_old(path);
}

std::optional<Leftover> parse_leftover(const std::string& file_name, std::string_view mark) {
  const std::size_t at = file_name.rfind(mark);
  if (at == std::string::npos || at == 0) return std::nullopt;
  const char* first = file_name.data() + at + mark.size();
  const char* last = file_name.data() + file_name.size();
  pid_t owner = 0;
  const auto [end, error] = std::from_chars(first, last, owner);
  const bool has_host = end != last && *end == '@';
  if (first == last || error != std::errc() || (end != last && !has_host) || owner <= 0) return std::nullopt;
  return Leftover{file_name.substr(0, at), owner, has_host ? std::string(end + 1, last) : host_name()};
}

void rename_checked(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_write_error(to, errno);
}

// Swaps two names in one step where the file system can: there is then no moment without a folder of that name.
bool exchange_names(const fs::path& first, const fs::path& second) {
  constexpr unsigned kExchange = 2;  // RENAME_EXCHANGE
  return ::syscall(SYS_renameat2, AT_FDCWD, first.c_str(), AT_FDCWD, second.c_str(), kExchange) == 0;
}

void replace_folder(const fs::path& temporary, const fs::path& target) {
  if (exchange_names(temporary, target)) {
    sync_folder(folder_of(target));
    remove_folder(temporary);
    return;
  }
  const fs::path replaced = marked(target, kReplacedMark);
  rename_checked(target, replaced);
  rename_checked(temporary, target);
  sync_folder(folder_of(target));
  remove_folder(replaced);
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

AtomicFolder::AtomicFolder(fs::path target) : target_(std::move(target)) {
  if (!target_.has_filename()) target_ = target_.parent_path();  // "a/b/" means "a/b"
  std::error_code error;
  fs::create_directories(folder_of(target_), error);
  if (error) throw_write_error(folder_of(target_), error.value());
  remove_leftovers(folder_of(target_));
  temporary_ = marked(target_, kTemporaryMark);
  remove_quietly(temporary_);
  if (!fs::create_directory(temporary_, error)) throw_write_error(temporary_, error ? error.value() : EEXIST);
}

AtomicFolder::~AtomicFolder() {
  if (!committed_) remove_quietly(temporary_);
}

void AtomicFolder::write_file(const std::string& name, std::string_view content) {
  write_file(name, [content](FileWriter& writer) { writer.write(content); });
}

void AtomicFolder::write_file(const std::string& name, const std::function<void(FileWriter&)>& fill) {
  FileWriter writer(file(name));
  fill(writer);
  writer.sync();
  writer.close();
}

void AtomicFolder::commit() {
  if (committed_) throw Error("folder " + target_.string() + " is written already");
  sync_folder(temporary_);
  if (fs::exists(fs::symlink_status(target_))) {
    replace_folder(temporary_, target_);
  } else {
    rename_checked(temporary_, target_);
    sync_folder(folder_of(target_));
  }
  committed_ = true;
}

void write_file_atomically(const fs::path& path, const std::function<void(FileWriter&)>& fill) {
  const fs::path temporary = marked(path, kTemporaryMark);
  try {
    FileWriter writer(temporary, FileMode::kReplace);
    fill(writer);
    writer.sync();
    writer.close();
    rename_checked(temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(folder_of(path));
}

void write_file_atomically(const fs::path& path, std::string_view content) {
  write_file_atomically(path, [content](FileWriter& writer) { writer.write(content); });
}

void remove_folder(const fs::path& folder) {
  if (!fs::exists(fs::symlink_status(folder))) return;
  const fs::path gone = marked(folder, kRemovedMark);
  rename_checked(folder, gone);
  std::error_code error;
  fs::remove_all(gone, error);
  if (error) throw Error("cannot remove " + gone.string() + ": " + error.message());
}

void remove_leftovers(const fs::path& parent) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, error)) entries.push_back(entry.path());
  for (const fs::path& entry : entries) {
    const std::string name = entry.filename().string();
    for (const std::string_view mark : {kTemporaryMark, kReplacedMark, kRemovedMark}) {
      const std::optional<Leftover> leftover = parse_leftover(name, mark);
      if (!leftover || is_owned(entry, *leftover, mark)) continue;
      const fs::path original = parent / leftover->name;
      if (mark == kReplacedMark && !fs::exists(original)) {
        rename_checked(entry, original);
      } else {
        remove_quietly(entry);
      }
      break;
    }
  }
}

}  // namespace cairn
