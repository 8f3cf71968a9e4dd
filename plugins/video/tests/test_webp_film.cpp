#include <webp/encode.h>
#include <webp/mux.h>

#include <array>
#include <catch2/catch.hpp>
#include <fstream>
#include <memory>
#include <vector>

#include "cairn/error.h"
#include "footage_set.h"
#include "support/temporary_folder.h"
#include "webp_film.h"

namespace fs = std::filesystem;
using cairn::DataError;
using cairn::test::TemporaryFolder;
using namespace cairn::video;

namespace {

constexpr int kWidth = 20, kHeight = 12, kFrames = 7, kMilliseconds = 40;
constexpr ReadLimits kFilmLimits{20, 1};

/// Frame `index`: a bar that wanders over a ground that stays, so that the encoder stores parts of frames.
std::vector<std::uint8_t> draw(int index) {
  std::vector<std::uint8_t> rgb;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const bool is_bar = x / 2 == index;
      rgb.push_back(static_cast<std::uint8_t>(is_bar ? 250 : x * 5));
      rgb.push_back(static_cast<std::uint8_t>(is_bar ? 10 * index : y * 9));
      rgb.push_back(static_cast<std::uint8_t>(is_bar ? 0 : 77));
    }
  return rgb;
}

void add_frame(WebPAnimEncoder* encoder, const WebPConfig& config, int index) {
  WebPPicture picture;
  REQUIRE(WebPPictureInit(&picture) != 0);
  picture.use_argb = 1;
  picture.width = kWidth;
  picture.height = kHeight;
  REQUIRE(WebPPictureImportRGB(&picture, draw(index).data(), kWidth * 3) != 0);
  CHECK(WebPAnimEncoderAdd(encoder, &picture, index * kMilliseconds, &config) != 0);
  WebPPictureFree(&picture);
}

/// A film of `kFrames` frames, without loss.
std::vector<char> encode_film() {
  WebPAnimEncoderOptions options;
  REQUIRE(WebPAnimEncoderOptionsInit(&options) != 0);
  const std::unique_ptr<WebPAnimEncoder, void (*)(WebPAnimEncoder*)> encoder(
      WebPAnimEncoderNew(kWidth, kHeight, &options), WebPAnimEncoderDelete);
  WebPConfig config;
  REQUIRE(WebPConfigInit(&config) != 0);
  config.lossless = 1;
  config.exact = 1;
  for (int i = 0; i < kFrames; ++i) add_frame(encoder.get(), config, i);
  REQUIRE(WebPAnimEncoderAdd(encoder.get(), nullptr, kFrames * kMilliseconds, nullptr) != 0);
  WebPData data;
  WebPDataInit(&data);
  REQUIRE(WebPAnimEncoderAssemble(encoder.get(), &data) != 0);
  const auto* begin = reinterpret_cast<const char*>(data.bytes);
  std::vector<char> bytes(begin, begin + data.size);
  WebPDataClear(&data);
  return bytes;
}

fs::path write(const fs::path& path, std::span<const char> bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

void require_frames(Footage& film, const std::vector<std::int64_t>& wanted) {
  std::size_t taken = 0;
  film.read(wanted, [&](std::size_t slot, const Frame& frame) {
    REQUIRE(slot == taken++);
    REQUIRE(frame.extent() == cairn::media::Extent{kWidth, kHeight});
    REQUIRE(frame.part({0, 0, kWidth, kHeight}).rgb == draw(static_cast<int>(wanted[slot])));
  });
  REQUIRE(taken == wanted.size());
}

}  // namespace

TEST_CASE("an animated WebP gives its frames and their times") {
  const TemporaryFolder folder;
  const fs::path path = write(folder.path() / "film.webp", encode_film());
  REQUIRE(is_animated_webp(path));
  WebpFilm film(path, kFilmLimits);
  REQUIRE(film.frames() == kFrames);
  for (int i = 0; i < kFrames; ++i) CHECK(film.time(i) == Approx(i * kMilliseconds / 1e3));
  require_frames(film, {0, 1, 2, 3, 4, 5, 6});
  require_frames(film, {3});
  require_frames(film, {1, 6});
  CHECK_THROWS_AS(require_frames(film, {kFrames}), DataError);
}

TEST_CASE("videos in a folder may be animated WebPs") {
  const TemporaryFolder folder;
  for (const char* name : {"left", "right"}) {
    fs::create_directories(folder.path() / name);
    write(folder.path() / name / "film.WEBP", encode_film());
  }
  FileFootage set(std::move(*cairn::open_folder(video_files(), folder.path(), cairn::Split::train, 0)), kFilmLimits, 0);
  REQUIRE(set.size() == 2);
  CHECK(set.label(1) == 1);
  require_frames(*set.open(1), {2, 4});
}

TEST_CASE("a damaged animated WebP is an error and no crash") {
  const TemporaryFolder folder;
  const std::vector<char> whole = encode_film();
  const fs::path path = folder.path() / "film.webp";
  const auto read = [&] {
    WebpFilm film(path, kFilmLimits);
    film.read(std::array<std::int64_t, 1>{kFrames - 1}, [](std::size_t, const Frame&) {});
  };
  for (std::size_t size = 21; size < whole.size(); size += 7) {
    write(path, std::span(whole).first(size));
    CHECK_THROWS_AS(read(), DataError);
  }
  std::vector<char> absurd = whole;
  for (const int at : {24, 25, 27, 28})
    absurd[static_cast<std::size_t>(at)] = '\xff';  // width and height of the canvas
  write(path, absurd);
  CHECK_THROWS_AS(read(), DataError);
  write(path, whole);
  CHECK_THROWS_WITH(WebpFilm(path, {1e-9, 1}).read(std::array<std::int64_t, 1>{0}, [](std::size_t, const Frame&) {}),
                    Catch::Contains("time_limit"));
  write(path, std::span(whole).first(10));
  CHECK_FALSE(is_animated_webp(path));
}
