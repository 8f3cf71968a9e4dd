#include "media/webp.h"

#include <webp/decode.h>

#include "cairn/error.h"

namespace cairn::media {

Picture decode_webp(ByteSpan bytes, const std::string& name) {
  int width = 0, height = 0;
  if (WebPGetInfo(bytes.data(), bytes.size(), &width, &height) == 0)
    throw DataError("is no WebP that can be decoded", name, "replace or remove the file");
  refuse_absurd(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height), name);
  Picture picture(width, height);
  if (WebPDecodeRGBInto(bytes.data(), bytes.size(), picture.rgb.data(), picture.rgb.size(), 3 * width) == nullptr)
    throw DataError("is damaged or truncated", name, "replace or remove the file");
  return picture;
}

}  // namespace cairn::media
