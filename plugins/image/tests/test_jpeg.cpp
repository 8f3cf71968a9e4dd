#include <array>
#include <catch2/catch.hpp>
#include <span>
#include <vector>

#include "cairn/error.h"
#include "cairn/rng.h"
#include "jpeg_files.h"
#include "media/across.h"
#include "media/decode.h"
#include "media/resample.h"

using cairn::DataError;
using cairn::Rng;
using cairn::Stream;
using cairn::testing::Coding;
using cairn::testing::encode;
using cairn::testing::noise;
using Catch::Contains;
using namespace cairn::media;

namespace {

Part decode_all(std::span<const std::uint8_t> bytes, const Header& header, int shrink) {
  const Extent whole = shrunk(header, shrink, false);
  return decode_part(bytes, header, shrink, {0, 0, whole.width, whole.height}, false, "whole");
}

Picture pixels(const Part& part, const Window& area) {
  return cut(part.picture, {area.left - part.left, area.top - part.top, area.width, area.height});
}

}  // namespace

TEST_CASE("jpeg: a part of a picture has the pixels of the whole, however it is coded") {
  Rng rng(7, Stream::load, 0, 0);
  for (const Coding& coding :
       {Coding{1, 1, false}, {2, 1, false}, {2, 2, false}, {1, 2, false}, {4, 1, false}, {2, 2, true}, {1, 1, true}}) {
    const std::vector<std::uint8_t> bytes = encode(noise(203, 141), coding);
    const Header header = read_header(bytes, "noise");
    REQUIRE(header.extent == Extent{203, 141});
    for (const int shrink : {1, 2, 4, 8}) {
      const Part whole = decode_all(bytes, header, shrink);
      const Extent extent = whole.picture.extent();
      REQUIRE(extent == shrunk(header, shrink, false));
      for (int i = 0; i < 40; ++i) {
        Window area;
        area.left = static_cast<int>(rng.integer(0, extent.width - 1));
        area.top = static_cast<int>(rng.integer(0, extent.height - 1));
        area.width = static_cast<int>(rng.integer(1, extent.width - area.left));
        area.height = static_cast<int>(rng.integer(1, extent.height - area.top));
        const Part part = decode_part(bytes, header, shrink, area, false, "part");
        CAPTURE(coding.across, coding.down, coding.progressive, shrink, area.left, area.top, area.width, area.height);
        REQUIRE((part.left <= area.left && part.top <= area.top));
        REQUIRE(pixels(part, area).rgb == pixels(whole, area).rgb);
      }
    }
  }
}

TEST_CASE("jpeg: a file without its end is refused, wherever the part lies") {
  std::vector<std::uint8_t> bytes = encode(noise(96, 96), {2, 2, false});
  const Header header = read_header(bytes, "cut");
  bytes.resize(bytes.size() * 3 / 4);
  CHECK_THROWS_WITH(decode_part(bytes, header, 1, {0, 0, 8, 8}, false, "cut"), Contains("truncated"));
  CHECK_THROWS_AS(decode_part(bytes, header, 1, {0, 80, 8, 8}, false, "cut"), DataError);
}

TEST_CASE("jpeg: a resampled part equals the resampled whole, and a mirrored one is its mirror") {
  const std::vector<std::uint8_t> bytes = encode(noise(203, 141), {2, 2, false});
  const Header header = read_header(bytes, "noise");
  const Part whole = decode_all(bytes, header, 1);
  Resampler resampler({203, 141}, {31, 17, 150, 120}, {64, 48}, {0, 0, 64, 48}, Interpolation::bicubic);
  const Picture expected = resampler.apply(whole);
  CHECK(resampler.apply(decode_part(bytes, header, 1, resampler.area(), false, "part")).rgb == expected.rgb);
  resampler.mirror();
  const Picture mirrored = resampler.apply(whole);
  for (int y = 0; y < expected.height; ++y)
    for (int x = 0; x < expected.width; ++x)
      for (int c = 0; c < 3; ++c)
        REQUIRE(mirrored.row(y)[3 * x + c] == expected.row(y)[3 * (expected.width - 1 - x) + c]);
}

TEST_CASE("resample: sums are those of plain 32-bit arithmetic") {
  Rng rng(9, Stream::load, 0, 0);
  for (const int count : {1, 2, 5, 8, 33}) {
    constexpr std::size_t kSize = 3 * kWeighedBytes, kStep = 57;
    std::vector<std::uint8_t> in(kStep * static_cast<std::size_t>(count + 1) + kSize), out(kSize);
    for (std::uint8_t& value : in) value = static_cast<std::uint8_t>(rng.integer(0, 255));
    std::vector<std::int32_t> weights;
    std::vector<WeightPair> pairs(static_cast<std::size_t>(count + 1) / 2);
    for (std::size_t k = 0; k < static_cast<std::size_t>(count); ++k) {
      weights.push_back(static_cast<std::int32_t>(rng.integer(-(1 << 20) / count, (1 << 22) / count)));
      pairs[k / 2].set(k % 2, weights.back());
    }
    weigh(in.data(), kStep, pairs.data(), pairs.size(), out.data(), kSize);
    for (std::size_t i = 0; i < kSize; ++i) {
      std::int64_t sum = 1 << (kWeightBits - 1);
      for (std::size_t k = 0; k < weights.size(); ++k) sum += std::int64_t{weights[k]} * in[k * kStep + i];
      REQUIRE(out[i] == std::clamp<std::int64_t>(sum >> kWeightBits, 0, 255));
    }
  }
}

TEST_CASE("resample: rows are narrowed as by plain 32-bit arithmetic, five neighbours at once or not") {
  Rng rng(10, Stream::load, 0, 0);
  for (const int width : {1, 2, 7, 40, 203})
    for (const int count : {1, 2, 5, 8}) {
      const Picture source = noise(width, 6);
      Taps taps;
      for (int x = 0; x < 23; ++x) {
        const int most = std::min(count, width),
                  first = std::min(x * width / 46 + static_cast<int>(rng.integer(0, 1)), width - most);
        taps.of.push_back({first, most, taps.pairs.size()});
        taps.pairs.resize(taps.pairs.size() + taps.of.back().pairs());
        for (int k = 0; k < most; ++k)
          taps.pairs[taps.of.back().offset + static_cast<std::size_t>(k) / 2].set(
              static_cast<std::size_t>(k) % 2,
              static_cast<std::int32_t>(rng.integer(-(1 << 20) / most, (1 << 22) / most)));
      }
      if (count == 5) std::reverse(taps.of.begin(), taps.of.end());
      constexpr std::size_t kStride = 3 * 23 + kAcrossPadding;
      std::vector<std::uint8_t> out(5 * kStride);
      if (!filter_across_wide(taps, source, 0, 1, 5, out.data(), kStride)) continue;
      for (int y = 0; y < 5; ++y)
        for (std::size_t i = 0; i < 3 * taps.of.size(); ++i) {
          const Tap& tap = taps.of[i / 3];
          std::int64_t sum = kHalfWeight;
          for (int k = 0; k < tap.count; ++k) {
            const WeightPair& pair = taps.pairs[tap.offset + static_cast<std::size_t>(k) / 2];
            const std::size_t which = static_cast<std::size_t>(k) % 2;
            const std::int64_t weight = pair.high[which] * (1 << kLowBits) + pair.low[which];
            sum += weight * source.row(1 + y)[3 * static_cast<std::size_t>(tap.first + k) + i % 3];
          }
          REQUIRE(out[static_cast<std::size_t>(y) * kStride + i] ==
                  std::clamp<std::int64_t>(sum >> kWeightBits, 0, 255));
        }
    }
}
