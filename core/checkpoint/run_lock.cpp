#include "checkpoint/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "cairn/error.h"
#include "checkpoint/file_writer.h"
#include "interface/host_name.h"

namespace cairn {
namespace {

constexpr std::size_t kLongestOwner = 512;

std::string this_process() { return "process " + std::to_string(::getpid()) + " on " + host_name(); }

std::string read_owner(int descriptor) {
  std::string owner(kLongestOwner, '\0');
  const ssize_t length = ::pread(descriptor, owner.data(), owner.size(), 0);
  owner.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  if (const std::size_t end = owner.find('\n'); end != std::string::npos) owner.resize(end);
  return owner.empty() ? "another process" : owner;
}

int lock_without_waiting(int descriptor) {
  int result = 0;
  do {
    result = ::flock(descriptor, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "run.lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) throw_write_error(path, errno);
  const int error_number = lock_without_waiting(descriptor);
  if (error_number != 0) {
    const std::string owner = read_owner(descriptor);
    ::close(descriptor);
    if (error_number == EWOULDBLOCK) {
      throw RunInUseError("run folder " + folder.string() + " is in use by " + owner, {},
                          "wait until it ends, or choose another folder");
    }
    throw Error("cannot lock " + path.string() + ": " + std::generic_category().message(error_number), {},
                "use a file system that supports file locks");
  }
  // The note only helps people; the lock holds without it, so a full disk must not stop a run here.
  const std::string note = this_process() + "\n";
  if (::ftruncate(descriptor, 0) == 0) {
    [[maybe_unused]] const ssize_t written = ::pwrite(descriptor, note.data(), note.size(), 0);
  }
  descriptor_ = descriptor;
}

RunLock::RunLock(RunLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

RunLock& RunLock::operator=(RunLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

RunLock::~RunLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace cairn
