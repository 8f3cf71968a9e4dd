#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "frame_cache.h"
#include "support/golden.h"
#include "support/rng.h"
#include "video_modality.h"

namespace fs = std::filesystem;
using namespace cairn::video;
using cairn::DataError;
using cairn::Purpose;
using cairn::Rng;
using cairn::Split;
using cairn::Stream;

namespace {

constexpr std::size_t kFrameBytes = 3 * 16 * 16;

/// Four frames of 16 x 16, one of which may be damaged; counts what is read.
class FourFrames : public Footage {
 public:
  explicit FourFrames(std::int64_t damaged = -1) : damaged_(damaged) {}

  std::int64_t frames() const override { return 4; }
  double time(std::int64_t index) const override { return 0.5 * static_cast<double>(index); }
  void read(std::span<const std::int64_t> wanted, const Take& take) override {
    for (std::size_t slot = 0; slot < wanted.size(); ++slot) {
      if (wanted[slot] == damaged_) throw DataError("cannot be decoded", "frame", "replace it");
      cairn::media::Picture picture(16, 16);
      picture.rgb[0] = static_cast<std::uint8_t>(wanted[slot]);
      take(slot, PictureFrame(picture));
    }
  }

 private:
  std::int64_t damaged_;
};

}  // namespace

TEST_CASE("frame cache: videos are held while there is room, frames and times as they were") {
  FrameCache cache(2 * 4 * kFrameBytes);
  FourFrames footage;
  REQUIRE(cache.wants(7));
  REQUIRE(cache.find(7) == nullptr);
  const auto held = cache.hold(7, footage);
  REQUIRE(held != nullptr);
  REQUIRE(cache.find(7) == held);
  REQUIRE_FALSE(cache.wants(7));
  HeldFootage copy(held);
  REQUIRE(copy.frames() == 4);
  REQUIRE(copy.time(3) == 1.5);
  std::vector<int> seen;
  copy.read(std::vector<std::int64_t>{1, 3}, [&](std::size_t, const Frame& frame) {
    seen.push_back(frame.part({0, 0, 16, 16}).rgb[0]);
  });
  REQUIRE(seen == std::vector<int>{1, 3});

  REQUIRE(cache.hold(8, footage) != nullptr);
  REQUIRE(cache.hold(9, footage) == nullptr);
  REQUIRE_FALSE(cache.wants(10));
  REQUIRE(cache.find(7) == held);
}

TEST_CASE("frame cache: a damaged video is tried once and takes the room of none") {
  FrameCache cache(1 << 20);
  FourFrames footage(2);
  REQUIRE(cache.hold(0, footage) == nullptr);
  REQUIRE(cache.find(0) == nullptr);
  REQUIRE_FALSE(cache.wants(0));
  REQUIRE(cache.wants(1));
}

TEST_CASE("frame cache: none without a budget") { REQUIRE_FALSE(FrameCache(0).wants(0)); }

TEST_CASE("video.clips: held in memory or not, clips are the same") {
  const fs::path folder = cairn::test::shared_folder() / "data/video/actions";
  if (!fs::exists(folder)) {
    std::cerr << "skipped: no clips at " << folder << "\n";
    return;
  }
  ClipsOptions options;
  options.path = folder.string();
  options.size = 32;
  options.patch = 8;
  options.frames = 4;
  const ClipsModality plain(options);
  options.decode_cache_mb = 64;
  const ClipsModality cached(options);
  const auto one = plain.open(Split::train, Purpose::pretrain), other = cached.open(Split::train, Purpose::pretrain);
  for (std::int64_t index = 0; index < 120; index += 40) {
    for (std::uint64_t draw = 0; draw < 3; ++draw) {
      Rng first(5, Stream::load, 0, draw), second(5, Stream::load, 0, draw);
      REQUIRE(at::equal(one->load(index, first).views[0], other->load(index, second).views[0]));
    }
  }
}
