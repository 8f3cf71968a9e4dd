#pragma once

#include <string>

#include "media/bytes.h"
#include "media/picture.h"

namespace cairn::media {

/// Decodes a still WebP, alpha dropped. DataError, naming `name`, if it is damaged or truncated.
Picture decode_webp(ByteSpan bytes, const std::string& name);

}  // namespace cairn::media
