#include "checkpoint/file_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "cairn/error.h"

namespace cairn {
namespace {

// Linux writes at most 2 GiB at once; smaller pieces also keep an interrupted write short.
constexpr std::size_t kLargestPiece = std::size_t{64} << 20;

int flag_of(FileMode mode) {
  switch (mode) {
    case FileMode::kCreate:
      return O_EXCL;
    case FileMode::kReplace:
      return O_TRUNC;
    case FileMode::kAppend:
      return O_APPEND;
  }
  return O_EXCL;
}

std::string reason_of(int error_number) { return std::generic_category().message(error_number); }

}  // namespace

DiskFullError::~DiskFullError() = default;

void throw_write_error(const std::filesystem::path& path, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EFBIG || error_number == EDQUOT;
  if (full) {
    throw DiskFullError("No space left on device while writing " + path.string(), {},
                        "free some space and run the command again");
  }
  throw Error("cannot write " + path.string() + ": " + reason_of(error_number), {},
              "check that the folder exists and that you may write there");
}

FileWriter::FileWriter(std::filesystem::path path, FileMode mode) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flag_of(mode), 0666);
  if (descriptor_ < 0) throw_write_error(path_, errno);
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileWriter::write(std::span<const std::byte> bytes) {
  if (descriptor_ < 0) throw_write_error(path_, EBADF);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), kLargestPiece));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_write_error(path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void FileWriter::write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }

void FileWriter::sync() {
  if (descriptor_ < 0) throw_write_error(path_, EBADF);
  if (::fsync(descriptor_) != 0) throw_write_error(path_, errno);
}

void FileWriter::close() {
  if (descriptor_ < 0) return;
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0 && errno != EINTR) throw_write_error(path_, errno);
}

void ignore_file_size_signal() { std::signal(SIGXFSZ, SIG_IGN); }

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw_write_error(folder, errno);
  const int result = ::fsync(descriptor);
  const int error_number = errno;
  ::close(descriptor);
  // Some network file systems cannot sync a folder and say EINVAL; there is nothing better to do there.
  if (result != 0 && error_number != EINVAL) throw_write_error(folder, error_number);
}

}  // namespace cairn
