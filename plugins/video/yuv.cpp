#include "yuv.h"

extern "C" {
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "media/ffmpeg_picture.h"

namespace cairn::video {
namespace {

using media::Picture;
using media::Window;

constexpr int kShift = 14;

/// From the values of a pixel, less their zero points, to 8-bit RGB: sums of products, shifted right by kShift.
struct Matrix {
  std::int32_t y = 0, red_v = 0, green_u = 0, green_v = 0, blue_u = 0;
  std::int32_t y_zero = 0, chroma_zero = 0;
};

/// Weights of red and blue in the luminance (ITU-T H.273, table 4).
std::array<double, 2> luminance_weights(AVColorSpace space) {
  switch (space) {
    case AVCOL_SPC_BT709:
      return {0.2126, 0.0722};
    case AVCOL_SPC_FCC:
      return {0.30, 0.11};
    case AVCOL_SPC_SMPTE240M:
      return {0.212, 0.087};
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
      return {0.2627, 0.0593};
    default:
      return {0.299, 0.114};
  }
}

bool is_full_range(const AVFrame& frame, bool is_grey) {
  if (is_grey) return frame.color_range != AVCOL_RANGE_MPEG;
  switch (frame.format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ411P:
      return true;
    default:
      return frame.color_range == AVCOL_RANGE_JPEG;
  }
}

Matrix matrix_of(const AVFrame& frame, const AVPixFmtDescriptor& format) {
  const int depth = format.comp[0].depth;
  const auto [red, blue] = luminance_weights(frame.colorspace);
  const double green = 1 - red - blue, unit = 1 << (depth - 8);
  const bool full = is_full_range(frame, format.nb_components <= 2);
  const double top = (1 << depth) - 1;
  const double luminance = 255 / (full ? top : 219 * unit), chroma = 255 / (full ? top : 224 * unit);
  const auto fixed = [](double value) { return static_cast<std::int32_t>(std::lround(value * (1 << kShift))); };
  Matrix m;
  m.y = fixed(luminance);
  m.red_v = fixed(2 * (1 - red) * chroma);
  m.blue_u = fixed(2 * (1 - blue) * chroma);
  m.green_u = fixed(-2 * (1 - blue) * blue / green * chroma);
  m.green_v = fixed(-2 * (1 - red) * red / green * chroma);
  m.y_zero = full ? 0 : 16 << (depth - 8);
  m.chroma_zero = 128 << (depth - 8);
  return m;
}

/// One row of three channels, each value in 16 bits.
struct Row {
  std::vector<std::int16_t> y, u, v;

  explicit Row(std::size_t width) : y(width), u(width), v(width) {}
};

/// Reads `count` values from column `first` on; every value of a plane with fewer columns serves 2^shift of them.
template <class Sample>
void load(const std::uint8_t* line, const AVComponentDescriptor& component, int shift, int first, int count,
          std::int32_t zero, std::int16_t* out) {
  const std::uint8_t* from = line + component.offset;
  for (int x = 0; x < count; ++x) {
    const auto* sample = reinterpret_cast<const Sample*>(from + ((first + x) >> shift) * component.step);
    out[x] = static_cast<std::int16_t>((*sample >> component.shift) - zero);
  }
}

// The common case, bytes side by side. These loops are compiled for AVX2 too, and the machine decides when the program
// starts: the results are equal.

[[gnu::target_clones("avx2", "default")]] void load_bytes(const std::uint8_t* from, int count, std::int32_t zero,
                                                          std::int16_t* out) {
  for (int x = 0; x < count; ++x) out[x] = static_cast<std::int16_t>(from[x] - zero);
}

/// Each byte twice.
[[gnu::target_clones("avx2", "default")]] void load_doubled(const std::uint8_t* from, int count, std::int32_t zero,
                                                            std::int16_t* out) {
  for (int x = 0; x < count; ++x) out[2 * x] = out[2 * x + 1] = static_cast<std::int16_t>(from[x] - zero);
}

void load_bytes(const std::uint8_t* from, int shift, int first, int count, std::int32_t zero, std::int16_t* out) {
  if (shift == 0) return load_bytes(from + first, count, zero, out);
  int x = 0;
  if (shift == 1) {
    if (count > 0 && (first & 1) != 0) out[x++] = static_cast<std::int16_t>(from[first >> 1] - zero);
    const int pairs = (count - x) / 2;
    load_doubled(from + ((first + x) >> 1), pairs, zero, out + x);
    x += 2 * pairs;
  }
  for (; x < count; ++x) out[x] = static_cast<std::int16_t>(from[(first + x) >> shift] - zero);
}

void load_row(const AVFrame& frame, const AVPixFmtDescriptor& format, int channel, int row, const Window& area,
              std::int32_t zero, std::int16_t* out) {
  const AVComponentDescriptor& component = format.comp[channel];
  const bool small = channel > 0;
  const int line = small ? row >> format.log2_chroma_h : row, shift = small ? format.log2_chroma_w : 0;
  const std::uint8_t* from =
      frame.data[component.plane] + static_cast<std::ptrdiff_t>(line) * frame.linesize[component.plane];
  if (component.depth > 8) return load<std::uint16_t>(from, component, shift, area.left, area.width, zero, out);
  if (component.step > 1) return load<std::uint8_t>(from, component, shift, area.left, area.width, zero, out);
  load_bytes(from, shift, area.left, area.width, zero, out);
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kShift, 0, 255)); }

[[gnu::target_clones("avx2", "default")]] void convert_row(const Row& row, const Matrix& matrix, int width,
                                                           std::uint8_t* out) {
  constexpr std::int32_t kHalf = 1 << (kShift - 1);
  const Matrix m = matrix;
  const std::int16_t *luminance = row.y.data(), *blue = row.u.data(), *red = row.v.data();
  for (int x = 0; x < width; ++x) {
    const std::int32_t y = m.y * luminance[x] + kHalf, u = blue[x], v = red[x];
    out[3 * x] = to_byte(y + m.red_v * v);
    out[3 * x + 1] = to_byte(y + m.green_u * u + m.green_v * v);
    out[3 * x + 2] = to_byte(y + m.blue_u * u);
  }
}

/// Planes of luminance and colour differences, or of grey, that the code above reads.
bool is_plain(const AVFrame& frame, const AVPixFmtDescriptor& format) {
  constexpr std::uint64_t kOther = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BE |
                                   AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_FLOAT |
                                   AV_PIX_FMT_FLAG_BAYER;
  const bool is_grey = format.nb_components <= 2;
  if ((format.flags & kOther) != 0 || (!is_grey && (format.flags & AV_PIX_FMT_FLAG_PLANAR) == 0)) return false;
  if (format.comp[0].depth < 8 || format.comp[0].depth > 14) return false;
  return frame.colorspace != AVCOL_SPC_YCGCO && frame.colorspace != AVCOL_SPC_RGB;
}

}  // namespace

Picture to_rgb(const AVFrame& frame, const Window& area, const std::string& name) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  if (!format || !is_plain(frame, *format)) return media::cut(media::to_picture(frame, name), area);
  const Matrix matrix = matrix_of(frame, *format);
  Row row(static_cast<std::size_t>(area.width));
  Picture out(area.width, area.height);
  for (int y = 0; y < area.height; ++y) {
    load_row(frame, *format, 0, area.top + y, area, matrix.y_zero, row.y.data());
    // Rows that share a row of the small planes load it once.
    const bool fresh = y == 0 || ((area.top + y) & ((1 << format->log2_chroma_h) - 1)) == 0;
    if (format->nb_components > 2 && fresh) {
      load_row(frame, *format, 1, area.top + y, area, matrix.chroma_zero, row.u.data());
      load_row(frame, *format, 2, area.top + y, area, matrix.chroma_zero, row.v.data());
    }
    convert_row(row, matrix, area.width, out.row(y));
  }
  return out;
}

}  // namespace cairn::video
