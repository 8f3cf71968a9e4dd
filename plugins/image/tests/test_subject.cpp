#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <vector>

#include "cairn/error.h"
#include "image_modality.h"
#include "jpeg_files.h"
#include "subject.h"
#include "support/rng.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using cairn::DataError;
using cairn::Purpose;
using cairn::Rng;
using cairn::Split;
using cairn::Stream;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using cairn::testing::encode;
using cairn::testing::noise;
using namespace cairn::image;
using cairn::media::Window;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// Files in memory; counts how often they are read.
class CountedFiles : public ImageSet {
 public:
  explicit CountedFiles(std::vector<Bytes> files) : files_(std::move(files)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  std::int64_t label(std::int64_t) const override { return -1; }
  std::string name(std::int64_t index) const override { return "file " + std::to_string(index); }
  Content fetch(std::int64_t index) const override {
    ++reads;
    return files_.at(static_cast<std::size_t>(index));
  }
  const std::vector<std::string>& classes() const override { return none_; }

  mutable int reads = 0;

 private:
  std::vector<Bytes> files_;
  std::vector<std::string> none_;
};

Bytes jpeg(int width, int height) { return encode(noise(width, height), {2, 2, false}); }

Bytes ppm(int side) {
  const std::string head = "P6\n" + std::to_string(side) + " " + std::to_string(side) + "\n255\n";
  Bytes bytes(head.begin(), head.end());
  bytes.resize(bytes.size() + 3 * static_cast<std::size_t>(side * side), 9);
  return bytes;
}

void write(const fs::path& path, const Bytes& bytes) { write_text(path, std::string(bytes.begin(), bytes.end())); }

constexpr std::size_t kRoomy = 1 << 24;

}  // namespace

TEST_CASE("subject: a held picture is neither read nor decoded again, at each fraction of its size apart") {
  const CountedFiles files({jpeg(64, 48), ppm(16)});
  PictureCache cache(kRoomy);
  for (int epoch = 0; epoch < 3; ++epoch) {
    Subject subject(files, 0, false, cache);
    REQUIRE(subject.extent() == Extent{64, 48});
    REQUIRE(subject.pixels(1, {10, 10, 4, 4}).picture.extent() == Extent{64, 48});
    Subject still(files, 1, false, cache);
    REQUIRE(still.pixels(1, {0, 0, 2, 2}).picture.rgb[0] == 9);
  }
  REQUIRE(files.reads == 2);
  for (int epoch = 0; epoch < 2; ++epoch) {
    Subject subject(files, 0, false, cache);
    REQUIRE(subject.pixels(4, {0, 0, 4, 4}).picture.extent() == Extent{16, 12});
  }
  REQUIRE(files.reads == 3);
}

TEST_CASE("subject: a full cache keeps what it has, and without a budget nothing is held") {
  const CountedFiles files({jpeg(64, 48), jpeg(48, 64)});
  PictureCache one(3 * 64 * 48), none(0);
  for (int epoch = 0; epoch < 2; ++epoch)
    for (const std::int64_t sample : {0, 1}) Subject(files, sample, false, one).pixels(1, {0, 0, 4, 4});
  REQUIRE(files.reads == 3);
  for (int epoch = 0; epoch < 2; ++epoch) {
    Subject subject(files, 0, false, none);
    REQUIRE(subject.pixels(1, {0, 0, 4, 4}).picture.height < 48);
  }
  REQUIRE(files.reads == 5);
}

TEST_CASE("subject: what a cache cannot decode whole is read where it is sound") {
  Bytes damaged = jpeg(64, 640);
  for (std::size_t i = damaged.size() * 9 / 10; i + 2 < damaged.size(); ++i) damaged[i] = 0xFF;
  const CountedFiles files({damaged});
  PictureCache cache(kRoomy), none(0);
  const Window top = {0, 0, 64, 16};
  const auto pixels = [&](PictureCache& used) {
    const cairn::media::Part part = Subject(files, 0, false, used).pixels(1, top);
    return Bytes(part.picture.rgb.begin(), part.picture.rgb.begin() + 3 * 64 * 16);
  };
  REQUIRE_THROWS_AS(Subject(files, 0, false, none).pixels(1, {0, 0, 64, 640}), DataError);
  const Bytes plain = pixels(none);
  REQUIRE(pixels(cache) == plain);
  REQUIRE(pixels(cache) == plain);
}

TEST_CASE("image.folder: held in memory or not, views are the same") {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() / "a");
  write(folder.path() / "a/large.jpg", jpeg(403, 341));
  write(folder.path() / "a/small.jpg", jpeg(61, 47));
  write(folder.path() / "a/still.ppm", ppm(40));
  FolderOptions options;
  options.path = folder.path().string();
  options.size = 32;
  options.patch = 8;
  options.crop_scale = {0.05, 1.0};
  options.views = 2;
  options.test_share = 0;
  const FolderModality plain(options);
  options.decode_cache_mb = GENERATE(1, 64);
  const FolderModality cached(options);
  const auto one = plain.open(Split::train, Purpose::pretrain), other = cached.open(Split::train, Purpose::pretrain);
  REQUIRE(one->size() == 3);
  for (std::uint64_t draw = 0; draw < 12; ++draw)
    for (std::int64_t index = 0; index < 3; ++index) {
      Rng first(5, Stream::load, 0, draw), second(5, Stream::load, 0, draw);
      const auto expected = one->load(index, first).views, held = other->load(index, second).views;
      for (std::size_t v = 0; v < 2; ++v) REQUIRE(at::equal(expected[v], held[v]));
    }
}
