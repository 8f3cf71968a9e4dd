#include "media/jpeg.h"

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "media/jpeg_scan.h"

namespace cairn::media {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr int kMargin = 2;  // pixels around an area from which its colour is interpolated

/// libjpeg's record, released whatever happens.
struct JpegRecord : jpeg_decompress_struct {
  JpegRecord() : jpeg_decompress_struct() {}
  ~JpegRecord() { jpeg_destroy_decompress(this); }
  JpegRecord(const JpegRecord&) = delete;
  JpegRecord& operator=(const JpegRecord&) = delete;
};

/// One JPEG file, its header read.
class JpegFile {
 public:
  JpegFile(Bytes bytes, const std::string& name) : name_(name) {
    record_.err = jpeg_std_error(&errors_);
    record_.client_data = this;
    errors_.error_exit = [](j_common_ptr record) { std::longjmp(self(record).jump_, 1); };
    errors_.emit_message = [](j_common_ptr record, int level) {
      if (level < 0 && !self(record).is_truncated()) record->err->format_message(record, self(record).warning_);
    };
    attempt([&] {
      jpeg_create_decompress(&record_);
      jpeg_mem_src(&record_, bytes.data(), bytes.size());
      jpeg_read_header(&record_, TRUE);
    });
  }

  Extent extent() const { return {static_cast<int>(record_.image_width), static_cast<int>(record_.image_height)}; }
  /// CMYK, or its luminance form.
  bool has_inks() const { return record_.jpeg_color_space == JCS_CMYK || record_.jpeg_color_space == JCS_YCCK; }

  /// Decodes what `area` needs, as RGB or, with has_inks(), as CMYK; goes on to the end of the file if `to_end`.
  /// Nothing if `quick`, the way for sound files, met what libjpeg alone should judge.
  std::optional<Part> decode(const Window& area, int shrink, bool to_end, bool quick) {
    Part part;
    attempt([&] { start(shrink); });
    if (quick && JpegScan::fits(record_)) take_over();
    attempt([&] { skip_to(area, part); });
    const int channels = record_.output_components;
    part.picture.width = static_cast<int>(record_.output_width);
    part.picture.height = area.top + area.height - part.top;
    const auto stride = static_cast<std::size_t>(part.picture.width) * static_cast<std::size_t>(channels);
    part.picture.rgb.resize(stride * static_cast<std::size_t>(part.picture.height));
    std::vector<std::uint8_t> unused(to_end ? stride : 0);
    attempt([&] {
      for (int row = 0; row < part.picture.height;)
        row += read_row(part.picture.rgb.data() + stride * static_cast<std::size_t>(row));
      while (to_end && record_.output_scanline < record_.output_height) read_row(unused.data());
    });
    if (scan_ && scan_->is_odd()) return std::nullopt;
    refuse_truncated();
    return part;
  }

 private:
  static JpegFile& self(j_common_ptr record) { return *static_cast<JpegFile*>(record->client_data); }

  /// Runs calls of libjpeg. `work` owns nothing: libjpeg leaps out of it where it gives up.
  template <class F>
  void attempt(const F& work) {
    if (setjmp(jump_) == 0) {
      work();
      return;
    }
    char text[JMSG_LENGTH_MAX];
    errors_.format_message(reinterpret_cast<j_common_ptr>(&record_), text);
    throw DataError("cannot be decoded (" + std::string(text) + ")", name_, "replace or remove the file");
  }

  void start(int shrink) {
    record_.out_color_space = has_inks() ? JCS_CMYK : JCS_RGB;
    record_.scale_num = 1;
    record_.scale_denom = static_cast<unsigned>(shrink);
    jpeg_start_decompress(&record_);
  }

  /// Puts scan_ where libjpeg's decoder of Huffman codes was.
  void take_over() {
    scan_.emplace(record_);
    record_.entropy->decode_mcu = [](j_decompress_ptr record, JBLOCKROW* blocks) -> boolean {
      self(reinterpret_cast<j_common_ptr>(record)).scan_->decode(blocks);
      return TRUE;
    };
  }

  void skip_to(const Window& area, Part& part) {
    const int width = static_cast<int>(record_.output_width), left = std::max(0, area.left - kMargin);
    const int right = std::min(width, area.left + area.width + kMargin);
    if (right - left < width) {
      auto column = static_cast<JDIMENSION>(left), count = static_cast<JDIMENSION>(right - left);
      jpeg_crop_scanline(&record_, &column, &count);
      part.left = static_cast<int>(column);
    }
    part.top = std::max(0, area.top - kMargin);
    if (part.top > 0) jpeg_skip_scanlines(&record_, static_cast<JDIMENSION>(part.top));
  }

  int read_row(std::uint8_t* out) {
    JSAMPROW row = out;
    return static_cast<int>(jpeg_read_scanlines(&record_, &row, 1));
  }

  /// libjpeg warns of much that does no harm; a missing end does.
  bool is_truncated() const { return std::string_view(warning_).find("remature end") != std::string_view::npos; }

  void refuse_truncated() const {
    if (is_truncated())
      throw DataError("is truncated (" + std::string(warning_) + ")", name_, "replace or remove the file");
  }

  const std::string& name_;
  jpeg_error_mgr errors_{};
  std::jmp_buf jump_{};
  char warning_[JMSG_LENGTH_MAX] = "";  // the last one, or the one of a missing end
  JpegRecord record_;
  std::optional<JpegScan> scan_;
};

bool has_end(Bytes bytes) {
  return bytes.size() >= 2 && bytes[bytes.size() - 2] == 0xFF && bytes[bytes.size() - 1] == 0xD9;
}

/// Adobe stores CMYK inverted: 255 is no ink, so red is cyan times black.
std::vector<std::uint8_t> without_inks(const std::vector<std::uint8_t>& inks) {
  std::vector<std::uint8_t> rgb(inks.size() / 4 * 3);
  for (std::size_t i = 0, pixels = inks.size() / 4; i < pixels; ++i)
    for (std::size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<std::uint8_t>((inks[4 * i + c] * inks[4 * i + 3] + 127) / 255);
  return rgb;
}

}  // namespace

Extent read_jpeg_extent(Bytes bytes, const std::string& name) { return JpegFile(bytes, name).extent(); }

Part decode_jpeg(Bytes bytes, int shrink, const Window& area, const std::string& name) {
  const auto decode = [&](bool quick) {
    JpegFile file(bytes, name);
    auto part = file.decode(area, shrink, !has_end(bytes), quick);
    if (part && file.has_inks()) part->picture.rgb = without_inks(part->picture.rgb);
    return part;
  };
  std::optional<Part> part = decode(has_end(bytes));
  return part ? *std::move(part) : decode(false).value();
}

}  // namespace cairn::media
