#pragma once

#include <string>

#include "media/bytes.h"
#include "media/picture.h"

namespace cairn::media {

/// The number in the tag `tag` of a TIFF's first directory; `fallback` if it has none or is malformed.
std::uint32_t tiff_number(ByteSpan tiff, std::uint32_t tag, std::uint32_t fallback);

/// The first picture of a TIFF. DataError, naming `name`, if it is damaged, or compressed as JPEG.
Picture decode_tiff(ByteSpan bytes, const std::string& name);

}  // namespace cairn::media
