#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "cairn/error.h"
#include "sound.h"

/// libFuzzer's entry: whatever the bytes are, they are a clip or a DataError.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = memfd_create("sound", 0);
  if (file < 0) return 0;
  if (write(file, data, size) == static_cast<ssize_t>(size)) {
    try {
      cairn::audio::read_sound("/proc/self/fd/" + std::to_string(file), {}, {1.0, 0.5});
    } catch (const cairn::DataError&) {
    }
  }
  close(file);
  return 0;
}
