// libFuzzer on the reader: whatever bytes a file holds, there are frames or a DataError.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "cairn/error.h"
#include "video_file.h"
#include "webp_film.h"

namespace {

/// The bytes as a file that lives in memory.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : descriptor_(memfd_create("fuzz", 0)) {
    written_ = write(descriptor_, data, size) == static_cast<ssize_t>(size);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { close(descriptor_); }

  bool written() const { return written_; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
  bool written_ = false;
};

void read(cairn::video::Footage& file) {
  const std::vector<std::int64_t> wanted = {file.frames() / 3, file.frames() - 1};
  file.read(std::span(wanted).subspan(wanted[0] == wanted[1] ? 1 : 0),
            [](std::size_t, const cairn::video::Frame& frame) {
              const auto extent = frame.extent();
              // A corner shows as much as the whole, and keeps rounds short.
              frame.part({extent.width / 2, extent.height / 2, (extent.width + 1) / 2, (extent.height + 1) / 2});
            });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile memory(data, size);
  if (!memory.written()) return 0;
  try {
    const cairn::video::VideoInput input(memory.path());
    if (cairn::video::is_animated_webp(input)) {
      cairn::video::WebpFilm film(input, {2, 1});
      read(film);
      return 0;
    }
    cairn::video::VideoFile file(input, {2, 1});
    try {
      read(file);
    } catch (const cairn::DataError&) {
      if (file.recount()) read(file);
    }
  } catch (const cairn::DataError&) {
  }
  return 0;
}
