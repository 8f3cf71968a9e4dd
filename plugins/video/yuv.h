#pragma once

#include <optional>

#include "media/ffmpeg.h"
#include "media/resample.h"

namespace cairn::video {

/// A rectangle of a decoded frame as RGB: matrix and range as the stream declares, BT.601 and limited range where it
/// does not; 9 to 16 bits are rounded to 8, small colour planes enlarged by repetition. DataError, naming `name`, for
/// pixels that cannot be turned into RGB.
media::Picture to_rgb(const AVFrame& frame, const media::Window& area, const std::string& name);

}  // namespace cairn::video
