#include "media/webp.h"

#include <webp/decode.h>

#include "cairn/error.h"

namespace cairn::media {

Picture decode_webp(ByteSpan bytes, const std::string& name) {
  int width = 0, height = 0;
  if (WebPGetInfo(bytes.data(), bytes.size(), &width, &height) == 0)
    throw DataError("is no WebP that can be decoded", name, "replace or remove the file");
  if (std::int64_t{width} * height > kMaxPixels)
    throw DataError("claims " + std::to_string(width) + " x " + std::to_string(height) + " pixels, more than the " +
                        std::to_string(kMaxPixels) + " that are decoded",
                    name, "remove the file or scale the picture down");
  Picture picture(width, height);
  if (WebPDecodeRGBInto(bytes.data(), bytes.size(), picture.rgb.data(), picture.rgb.size(), 3 * width) == nullptr)
    throw DataError("is damaged or truncated", name, "replace or remove the file");
  return picture;
}

}  // namespace cairn::media
