#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "media/decode.h"
#include "media/orientation.h"
#include "preprocessed.h"
#include "support/rng.h"
#include "support/temporary_folder.h"

using namespace cairn::media;

namespace {

/// Hexadecimal digits as bytes.
std::vector<std::uint8_t> bytes_of_hex(const std::string& digits) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

Picture decoded(const std::vector<std::uint8_t>& bytes) { return decode(bytes, read_header(bytes, "a"), false, "a"); }

std::vector<int> pixel(const Picture& picture, int x, int y) {
  const std::uint8_t* at = picture.row(y) + 3 * x;
  return {at[0], at[1], at[2]};
}

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

/// A TIFF of one tag, which holds one short number.
std::string tiff_with(int tag, int value) {
  const auto two = [](int v) { return std::string{static_cast<char>(v & 0xFF), static_cast<char>(v >> 8)}; };
  return std::string("II*\0\x08\0\0\0\x01\0", 10) + two(tag) + std::string("\x03\0\x01\0\0\0", 6) + two(value) +
         std::string(6, '\0');
}

}  // namespace

TEST_CASE("image: the orientation is found in EXIF of every kind, in XMP, and in TIFF's own tag") {
  const auto orientation = [](FileKind kind, const std::string& text) {
    return stored_orientation(kind, bytes_of(text));
  };
  const std::string tiff = tiff_with(0x112, 6);
  CHECK(orientation(FileKind::tiff, tiff) == 6);
  CHECK(orientation(FileKind::tiff, tiff_with(0x112, 9)) == 1);
  CHECK(orientation(FileKind::tiff, tiff.substr(0, 20)) == 1);
  const std::string png = "\x89PNG\r\n\x1A\n" + std::string("\0\0\0\x01tEXt.crc.", 13);
  CHECK(orientation(FileKind::png, png +
                                       std::string("\0\0\0\032"
                                                   "eXIf",
                                                   8) +
                                       tiff + "crc.") == 6);
  CHECK(orientation(FileKind::png, png) == 1);
  const std::string webp = "RIFF....WEBP" + std::string("VP8X\x01\0\0\0..", 10);
  CHECK(orientation(FileKind::webp, webp + std::string("EXIF\x1A\0\0\0", 8) + tiff) == 6);
  const std::string xmp = "<x tiff:Orientation=\"8\"/>";
  CHECK(orientation(FileKind::webp, webp + std::string("XMP \x19\0\0\0", 8) + xmp) == 8);
  const std::string jpeg = std::string("\xFF\xD8\xFF\xE1\0\x38http://ns.adobe.com/xap/1.0/\0", 35) + xmp;
  CHECK(orientation(FileKind::jpeg, jpeg) == 8);
  const std::string both = jpeg +
                           std::string(
                               "\xFF\xE1\0\042"
                               "Exif\0\0",
                               10) +
                           tiff;
  CHECK(orientation(FileKind::jpeg, both) == 6);
}

TEST_CASE("image: a TIFF in tiles is put together, one compressed as JPEG refused") {
  // Twenty by three pixels of grey in two tiles of sixteen by sixteen.
  const auto tag = [](int number, int value) { return tiff_with(number, value).substr(10, 12); };
  std::string tiff("II*\0\x08\0\0\0\x09\0", 10);
  for (const auto& [number, value] :
       std::vector<std::pair<int, int>>{{256, 20}, {257, 3}, {258, 8}, {259, 1}, {262, 1}, {322, 16}, {323, 16}})
    tiff += tag(number, value);
  // Both lists lie behind the directory: 2 + 9 * 12 + 4 bytes from 8 on.
  tiff += std::string("\x44\1\4\0\2\0\0\0\x7A\0\0\0\x45\1\4\0\2\0\0\0\x82\0\0\0\0\0\0\0", 28);
  tiff += std::string("\x8A\0\0\0\x8A\1\0\0\0\1\0\0\0\1\0\0", 16);
  for (int tile = 0; tile < 2; ++tile)
    for (int i = 0; i < 256; ++i) tiff += static_cast<char>(100 * tile + i % 16 + 20 * (i / 16));
  const Picture picture = decoded(bytes_of(tiff));
  REQUIRE(picture.extent() == Extent{20, 3});
  CHECK(pixel(picture, 0, 0) == std::vector{0, 0, 0});
  CHECK(pixel(picture, 15, 2) == std::vector{55, 55, 55});
  CHECK(pixel(picture, 16, 0) == std::vector{100, 100, 100});
  CHECK(pixel(picture, 19, 2) == std::vector{143, 143, 143});
  CHECK_THROWS_WITH(decoded(bytes_of(tiff.substr(0, 400))), Catch::Contains("is damaged or truncated"));
  CHECK_THROWS_WITH(decoded(bytes_of(tiff_with(259, 7))), Catch::Contains("a: is a TIFF that is compressed as JPEG"));
}

TEST_CASE("image: the colours of a lossy WebP are those of Pillow") {
  const Picture picture = decoded(
      bytes_of_hex("524946466600000057454250565038205a0000005002009d012a0800060002804225b0027432903f50015ca393ae0000"
                   "feeeeda9c2f715279ce67eefd30b2a9fbc19d6ce3a7fd53fa1bfe0aff80eaffb9be007f8d4b68d8eed9024ffcb27f9be"
                   "01a47f8d7fee28afec6ffd170000"));
  CHECK(pixel(picture, 0, 0) == std::vector{222, 19, 22});
  CHECK(pixel(picture, 3, 0) == std::vector{181, 29, 82});
  CHECK(pixel(picture, 4, 0) == std::vector{61, 17, 162});
  CHECK(pixel(picture, 3, 2) == std::vector{153, 43, 135});
  CHECK(pixel(picture, 7, 5) == std::vector{209, 33, 0});
}

TEST_CASE("image: what is transparent in a GIF has the colour of its palette") {
  const Picture picture = decoded(
      bytes_of_hex("474946383961020002008100000a141e28323c46505a00000021f90401000001002c0000000002000200000807000104"
                   "10102020003b"));
  CHECK(pixel(picture, 0, 0) == std::vector{10, 20, 30});
  CHECK(pixel(picture, 1, 0) == std::vector{40, 50, 60});
  CHECK(pixel(picture, 0, 1) == std::vector{70, 80, 90});
}

TEST_CASE("image: whole pictures are made square, and crops lie where each library cuts them") {
  const cairn::test::TemporaryFolder folder;
  // Five columns of 0, 50, 100, 150, 200.
  std::string ppm = "P6 5 2 255\n";
  for (int i = 0; i < 10; ++i) ppm += std::string(3, static_cast<char>(50 * (i % 5)));
  cairn::test::write_text(folder / "a.ppm", ppm);
  cairn::image::PreprocessedOptions options;
  options.path = (folder / "a.ppm").string();
  options.resize = options.crop = 2;
  options.interpolation = Interpolation::bilinear;
  const auto first_row = [&] {
    const cairn::image::PreprocessedModality modality(options);
    cairn::Rng rng = cairn::test::any_rng();
    const auto source = modality.open(cairn::Split::train, cairn::Purpose::evaluate);
    const at::Tensor view = source->load(0, rng).views.front();
    return std::vector{view[0][0][0].item<int>(), view[0][0][1].item<int>()};
  };
  CHECK(first_row() == std::vector{100, 150});  // an offset of 1.5 is rounded to even
  options.floor_crop = true;
  CHECK(first_row() == std::vector{50, 100});
  options.floor_crop = false, options.squeeze = true;
  CHECK(first_row() == std::vector{50, 150});
}
