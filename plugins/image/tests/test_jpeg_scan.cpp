#include <catch2/catch.hpp>
#include <csetjmp>
#include <optional>
#include <string_view>
#include <vector>

#include "cairn/error.h"
#include "cairn/rng.h"
#include "jpeg_files.h"
#include "media/decode.h"
#include "media/jpeg_scan.h"

using cairn::DataError;
using cairn::Rng;
using cairn::Stream;
using cairn::testing::Coding;
using cairn::testing::encode;
using cairn::testing::noise;
using namespace cairn::media;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// libjpeg alone: it leaps where it gives up.
struct Library : jpeg_decompress_struct {
  jpeg_error_mgr errors{};
  std::jmp_buf jump{};
  bool is_truncated = false;

  explicit Library(const Bytes& bytes) : jpeg_decompress_struct() {
    err = jpeg_std_error(&errors);
    client_data = this;
    errors.error_exit = [](j_common_ptr record) { std::longjmp(self(record).jump, 1); };
    errors.emit_message = [](j_common_ptr record, int level) {
      char text[JMSG_LENGTH_MAX];
      record->err->format_message(record, text);
      if (level < 0 && std::string_view(text).find("remature end") != std::string_view::npos)
        self(record).is_truncated = true;
    };
    jpeg_create_decompress(this);
    jpeg_mem_src(this, bytes.data(), bytes.size());
  }
  ~Library() { jpeg_destroy_decompress(this); }
  static Library& self(j_common_ptr record) { return *static_cast<Library*>(record->client_data); }

  void start() {
    jpeg_read_header(this, TRUE);
    out_color_space = JCS_RGB;
    jpeg_start_decompress(this);
  }
};

/// The pixels that libjpeg alone reads, nothing of a file that it refuses or calls truncated.
std::optional<Bytes> by_library(const Bytes& bytes, std::size_t stride, int height) {
  Bytes pixels(stride * static_cast<std::size_t>(height));
  Library library(bytes);
  if (setjmp(library.jump) != 0) return std::nullopt;
  library.start();
  while (library.output_scanline < library.output_height) {
    JSAMPROW row = pixels.data() + stride * library.output_scanline;
    jpeg_read_scanlines(&library, &row, 1);
  }
  if (library.is_truncated) return std::nullopt;
  return pixels;
}

std::optional<Bytes> by_cairn(const Bytes& bytes, int width, int height) {
  try {
    return decode_part(bytes, {FileKind::jpeg, {width, height}, 1}, 1, {0, 0, width, height}, false, "x").picture.rgb;
  } catch (const DataError&) {
    return std::nullopt;
  }
}

/// Whether a scan fits and is read from end to end without an oddity.
bool is_sound(const Bytes& bytes) {
  Library library(bytes);
  library.start();
  if (!JpegScan::fits(library)) return false;
  JpegScan scan(library);
  const JDIMENSION count = library.MCUs_per_row * library.MCU_rows_in_scan;
  for (JDIMENSION i = 0; i < count; ++i) scan.decode(nullptr);
  return !scan.is_odd();
}

std::size_t scan_begin(const Bytes& bytes) {
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i)
    if (bytes[i] == 0xFF && bytes[i + 1] == 0xDA) return i + 14;
  return bytes.size();
}

}  // namespace

TEST_CASE("jpeg scan: its pixels are those of libjpeg, however the file is coded") {
  const Picture picture = noise(403, 341);
  std::vector<Coding> codings = {{1, 1}, {2, 1}, {2, 2}, {1, 2}, {4, 1}};
  for (const int quality : {40, 98, 100})
    for (const bool optimised : {false, true}) codings.push_back({2, 2, false, quality, optimised});
  for (const unsigned restart : {1u, 7u, 26u}) codings.push_back({2, 2, false, 90, false, restart});
  codings.push_back({1, 1, false, 95, true, 0, true});
  for (const Coding& coding : codings) {
    CAPTURE(coding.across, coding.down, coding.quality, coding.optimised, coding.restart, coding.grey);
    const Bytes bytes = encode(picture, coding);
    CHECK(is_sound(bytes));
    CHECK(by_cairn(bytes, 403, 341) == by_library(bytes, std::size_t{3} * 403, 341));
  }
}

TEST_CASE("jpeg scan: blocks filled to the last coefficient end where the next begin") {
  // White noise at the highest quality has no zero to end a block with.
  Picture picture(256, 256);
  Rng rng(3, Stream::load, 0, 0);
  for (std::uint8_t& value : picture.rgb) value = static_cast<std::uint8_t>(rng.integer(0, 255));
  for (const bool optimised : {false, true}) {
    const Bytes bytes = encode(picture, {1, 1, false, 100, optimised});
    CHECK(is_sound(bytes));
    CHECK(by_cairn(bytes, 256, 256) == by_library(bytes, std::size_t{3} * 256, 256));
  }
}

TEST_CASE("jpeg scan: what it does not know is left to libjpeg") {
  CHECK_FALSE(is_sound(encode(noise(403, 341), {2, 2, true})));
  CHECK_FALSE(is_sound(encode(noise(16, 16), {2, 2})));
}

TEST_CASE("jpeg scan: a damaged file gives what libjpeg alone makes of it") {
  Rng rng(11, Stream::load, 0, 0);
  int odd = 0, refused = 0, read = 0;
  for (const Coding& coding : {Coding{2, 2}, Coding{1, 1, false, 95, true}, Coding{2, 2, false, 90, false, 5}}) {
    const Bytes sound = encode(noise(203, 141), coding);
    const std::size_t begin = scan_begin(sound);
    for (int i = 0; i < 200; ++i) {
      Bytes bytes = sound;
      const auto at = static_cast<std::size_t>(
          rng.integer(static_cast<std::int64_t>(begin), static_cast<std::int64_t>(sound.size()) - 40));
      const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
      if (i % 4 == 0) *place = static_cast<std::uint8_t>(rng.integer(0, 255));
      if (i % 4 == 1) bytes.erase(place, place + rng.integer(1, 30));
      if (i % 4 == 2) bytes.insert(place, {0xFF, static_cast<std::uint8_t>(rng.integer(0xC0, 0xFF))});
      if (i % 4 == 3) bytes.erase(place, bytes.end() - 2);
      CAPTURE(coding.restart, i, at);
      const auto expected = by_library(bytes, std::size_t{3} * 203, 141);
      CHECK(by_cairn(bytes, 203, 141) == expected);
      odd += is_sound(bytes) ? 0 : 1;
      (expected ? read : refused) += 1;
    }
  }
  CHECK((odd > 60 && refused > 60 && read > 60));
}
