#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "media/picture.h"

namespace cairn::media {

/// Width and height of a JPEG as stored. DataError, naming `name`, if it is damaged.
Extent read_jpeg_extent(std::span<const std::uint8_t> bytes, const std::string& name);

/// Decodes a JPEG at 1/`shrink` (1, 2, 4 or 8) of its size to RGB, but no more than `area` of the result needs: its
/// pixels are those that decoding the whole gives, others around it may differ. DataError, naming `name`, if what is
/// decoded is damaged, or if the file has no end.
Part decode_jpeg(std::span<const std::uint8_t> bytes, int shrink, const Window& area, const std::string& name);

}  // namespace cairn::media
