#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cairn/error.h"

namespace cairn::media {

/// Width and height in pixels.
struct Extent {
  int width = 0;
  int height = 0;

  bool operator==(const Extent&) const = default;
};

/// An 8-bit RGB picture, rows from top to bottom, channels interleaved.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;

  Picture() = default;
  Picture(int w, int h) : width(w), height(h), rgb(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3) {}

  Extent extent() const { return {width, height}; }
  std::uint8_t* row(int y) { return rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3; }
  const std::uint8_t* row(int y) const {
    return rgb.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(width) * 3;
  }
};

/// A rectangle of whole pixels of a picture.
struct Window {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

/// Pixels of a larger picture, of which the first lies at (left, top).
struct Part {
  Picture picture;
  int left = 0;
  int top = 0;
};

/// The largest picture that is decoded, as in Pillow: beyond it a file is taken for a decompression bomb.
inline constexpr std::int64_t kMaxPixels = 178'956'970;

/// DataError, naming `name`, for a picture that claims to be larger.
inline void refuse_absurd(std::uint64_t width, std::uint64_t height, const std::string& name) {
  // Each side is below 2^32, so the product cannot overflow.
  if (width * height <= static_cast<std::uint64_t>(kMaxPixels)) return;
  throw DataError("claims " + std::to_string(width) + " x " + std::to_string(height) + " pixels, more than the " +
                      std::to_string(kMaxPixels) + " that are decoded",
                  name, "remove the file or scale the picture down");
}

}  // namespace cairn::media
