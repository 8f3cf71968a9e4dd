#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "media/picture.h"
#include "media/taps.h"

namespace cairn::media {

enum class Interpolation : std::uint8_t { bilinear, bicubic };

/// A rectangle of a picture in pixels; edges may lie between pixels.
struct Box {
  double left = 0;
  double top = 0;
  double right = 0;
  double bottom = 0;
};

/// Scales a rectangle of pictures of one size to another size, the weights computed once. The filter widens with the
/// reduction (antialiasing), bicubic has a = -0.5, weights have 22 fractional bits and the horizontal pass is rounded
/// to 8 bits, all as Pillow's resize does. Filter taps may reach beyond the box, never beyond the picture. The
/// result is the same on every processor.
class Resampler {
 public:
  /// `box` of a picture of `source` is scaled to `target`, of which only the pixels of `window` are computed.
  Resampler(Extent source, const Box& box, Extent target, const Window& window, Interpolation filter);

  /// The pixels of the source that the result depends on.
  const Window& area() const { return area_; }
  /// `part` holds at least area().
  Picture apply(const Part& part) const { return apply(part.picture, part.left, part.top); }
  /// The same of a picture whose first pixel lies at (left, top) of the source.
  Picture apply(const Picture& part, int left, int top) const;
  /// Swaps left and right of the result.
  void mirror();

 private:
  static Taps make_taps(int input, double low, double high, int output, int from, int count, Interpolation filter);
  /// The horizontal pass over such a picture, to rows of `stride` bytes.
  void filter_across(const Picture& part, int left, int top, std::uint8_t* out, std::size_t stride) const;
  /// The same over a block of interleaved rows.
  void filter_block(const std::uint8_t* block, int rows, std::uint8_t* out, std::size_t stride) const;

  Taps across_, down_;
  Window area_;
};

/// The evaluation transform: short side to `resize` (long side truncated to whole pixels), then the central square of
/// `crop` pixels, its offset rounded half to even, as torchvision's Resize and CenterCrop on Pillow pictures; or the
/// square `along` the long side, from 0 at its beginning to 1 at its end.
Resampler crop_resampler(Extent source, int resize, int crop, Interpolation filter, double along = 0.5);

/// Scales `box` of `source` to `target`.
Picture resample(const Picture& source, const Box& box, Extent target, Interpolation filter);

/// crop_resampler() of the middle on one picture.
Picture resize_and_centre_crop(const Picture& source, int resize, int crop, Interpolation filter);

/// The pixels of a rectangle that lies in the picture.
Picture cut(const Picture& source, const Window& area);

}  // namespace cairn::media
