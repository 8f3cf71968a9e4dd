// libFuzzer on the reader: whatever bytes a file holds, there is a picture or a DataError.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "cairn/error.h"
#include "media/decode.h"

namespace {

constexpr int kMostPixels = 1 << 20;  // keeps rounds short

void read(std::span<const std::uint8_t> bytes) {
  using namespace cairn::media;
  const Header header = read_header(bytes, "fuzz");
  if (header.extent.width > kMostPixels / std::max(1, header.extent.height)) return;
  decode(bytes, header, true, "fuzz");
  if (header.kind != FileKind::jpeg) return;
  const Extent half = shrunk(header, 2, false);
  decode_part(bytes, header, 2, {half.width / 2, half.height / 2, 1, 1}, false, "fuzz");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A JPEG that is long enough, and ends as it should, takes the way through JpegScan.
  std::vector<std::uint8_t> bytes(data, data + size);
  if (size > 2 && bytes[0] == 0xFF && bytes[1] == 0xD8) {
    bytes.resize(size + 16384);
    bytes.insert(bytes.end(), {0xFF, 0xD9});
  }
  try {
    read(bytes);
  } catch (const cairn::DataError&) {
  }
  return 0;
}
