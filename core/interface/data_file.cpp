#include "interface/data_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "cairn/error.h"

namespace cairn {

DataFile::DataFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a pipe would wait for whoever writes to it.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) throw DataError(std::string("cannot be opened (") + std::strerror(errno) + ")", path_.string());
  struct stat status {};
  if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) {
    size_ = static_cast<std::uint64_t>(status.st_size);
    return;
  }
  ::close(descriptor_);
  throw DataError("is no regular file", path_.string());
}

DataFile::~DataFile() { ::close(descriptor_); }

void DataFile::read(std::uint64_t offset, std::span<std::uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw DataError(std::string("cannot be read (") + std::strerror(errno) + ")", path_.string());
    if (count == 0) throw DataError("ends at byte " + std::to_string(offset), path_.string(), "get the file again");
    offset += static_cast<std::uint64_t>(count);
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

void DataFile::read_ahead(std::uint64_t offset, std::uint64_t count) const {
  ::posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(count), POSIX_FADV_WILLNEED);
}

void SmallReads::read(std::uint64_t offset, std::span<std::uint8_t> out) {
  if (offset < begin_ || offset + out.size() > end_) {
    const std::uint64_t left = offset < file_.size() ? file_.size() - offset : 0;
    if (out.size() > std::min<std::uint64_t>(left, window_.size())) return file_.read(offset, out);
    begin_ = offset;
    end_ = offset + std::min<std::uint64_t>(left, window_.size());
    file_.read(begin_, std::span(window_).first(end_ - begin_));
  }
  std::copy_n(window_.begin() + static_cast<std::ptrdiff_t>(offset - begin_), out.size(), out.begin());
}

}  // namespace cairn
