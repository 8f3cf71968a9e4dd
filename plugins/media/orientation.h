#pragma once

#include "media/bytes.h"
#include "media/decode.h"

namespace cairn::media {

/// How a picture is to be turned, as EXIF counts (1 to 8): what its EXIF says, else XMP in JPEG and WebP; 1 if neither
/// does or they are malformed. Of a TIFF it is the picture's own tag.
int stored_orientation(FileKind kind, ByteSpan bytes);

}  // namespace cairn::media
