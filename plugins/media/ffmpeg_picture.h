#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "media/ffmpeg.h"
#include "media/picture.h"

namespace cairn::media {

/// Any frame as RGB: alpha dropped, 16 bits keep the upper 8, matrix and range as the frame says. DataError, naming
/// `name`, for pixel formats that cannot be turned into RGB.
Picture to_picture(const AVFrame& frame, const std::string& name);

/// Decodes a whole still-picture file, handed to the decoder as one packet. Alpha is dropped, 16 bits keep the upper 8.
/// DataError, naming `name`, if that fails.
Picture decode_still(std::span<const std::uint8_t> bytes, AVCodecID codec, const std::string& name);

/// The first picture of an ISO base media file (AVIF). DataError if there is none.
Picture decode_avif(std::span<const std::uint8_t> bytes, const std::string& name);

}  // namespace cairn::media
