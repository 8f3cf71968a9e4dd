#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "footage_set.h"
#include "support/golden.h"
#include "support/rng.h"
#include "support/tar.h"
#include "support/temporary_folder.h"
#include "video_modality.h"

namespace fs = std::filesystem;
using cairn::DataError;
using cairn::Purpose;
using cairn::Split;
using cairn::test::any_rng;
using cairn::test::kTarEnd;
using cairn::test::read_text;
using cairn::test::tar_member;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using namespace cairn::video;
using Catch::Contains;

namespace {

constexpr ReadLimits kShardLimits{20, 1};

std::string little_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

/// A picture of one colour as an uncompressed BMP: a video of one frame, whatever its name.
std::string bitmap(int red, int side = 16) {
  const auto pixels = static_cast<std::uint32_t>(side * side * 3), length = static_cast<std::uint32_t>(side);
  std::string text = "BM" + little_endian(54 + pixels, 4) + little_endian(0, 4) + little_endian(54, 4) +
                     little_endian(40, 4) + little_endian(length, 4) + little_endian(length, 4) + little_endian(1, 2) +
                     little_endian(24, 2) + little_endian(0, 4) + little_endian(pixels, 4) + std::string(16, '\0');
  for (int i = 0; i < side * side; ++i) text += std::string{20, 10, static_cast<char>(red)};
  return text;
}

/// What reading the first, the middle and the last frame of a video gives: pixels and times, or what is wrong with it.
std::string outcome(const FootageSet& set, std::int64_t index) {
  try {
    const auto footage = set.open(index);
    const std::int64_t last = footage->frames() - 1;
    std::vector<std::int64_t> wanted = {0, last / 2, last};
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::string text = std::to_string(last) + " " + std::to_string(footage->time(last)) + " ";
    footage->read(wanted, [&](std::size_t, const Frame& frame) {
      const auto extent = frame.extent();
      const auto picture = frame.part({0, 0, extent.width, extent.height});
      text += std::string(picture.rgb.begin(), picture.rgb.end());
    });
    return text;
  } catch (const DataError& error) {
    return "error: " + error.message();
  }
}

/// The videos of the zoo, and what is left of each after damage, as files and as one tar file.
void write_zoo(const fs::path& zoo, const fs::path& files, const fs::path& shard) {
  std::vector<fs::path> sources;
  for (const auto& entry : fs::directory_iterator(zoo))
    if (video_files().matches(entry.path())) sources.push_back(entry.path());
  std::sort(sources.begin(), sources.end());
  fs::create_directory(files);
  std::string tar;
  int number = 1000;
  const auto add = [&](const fs::path& source, const std::string& bytes) {
    const std::string name = std::to_string(++number) + source.extension().string();
    write_text(files / name, bytes);
    tar += tar_member(name, bytes);
  };
  for (const fs::path& source : sources) {
    const std::string whole = read_text(source);
    add(source, whole);
    add(source, whole.substr(0, whole.size() * 2 / 3));
    add(source, whole.substr(0, 100));
    std::string spoiled = whole;
    for (std::size_t at = whole.size() / 2; at < whole.size(); at += 997) spoiled[at] = '\x55';
    add(source, spoiled);
  }
  write_text(shard, tar + kTarEnd);
}

template <class O>
O tiny(const fs::path& path) {
  O options;
  options.path = path.string();
  options.size = 16;
  options.patch = 8;
  options.frames = 2;
  options.normalise = Normalise::none;
  return options;
}

}  // namespace

TEST_CASE("video shards: every file of the zoo, whole and damaged, is read as it is from a file of its own") {
  const fs::path zoo = cairn::test::shared_folder() / "data/zoo/video";
  if (!fs::exists(zoo)) {
    std::cerr << "skipped: no zoo at " << zoo << "\n";
    return;
  }
  const TemporaryFolder folder;
  write_zoo(zoo, folder / "files", folder / "zoo.tar");
  const FileFootage files(std::move(*cairn::open_folder(video_files(), folder / "files", Split::train, 0)),
                          kShardLimits, 0);
  const ShardFootage shards(
      cairn::open_shards(video_files(), {(folder / "zoo.tar").string(), "", 0, {4, 1}}, Split::train), kShardLimits, 0);
  REQUIRE(shards.size() == files.size());
  int readable = 0;
  for (std::int64_t i = 0; i < files.size(); ++i) {
    CAPTURE(files.name(i));
    const std::string expected = outcome(files, i), found = outcome(shards, i);
    readable += expected.starts_with("error") ? 0 : 1;
    CHECK((found == expected));               // without printing pixels
    CHECK((outcome(shards, i) == expected));  // by the index that is kept
  }
  CHECK(readable > 40);
  CHECK(readable < files.size() - 20);
}

TEST_CASE("video.shards: clips and labels are those of video.clips") {
  const TemporaryFolder folder;
  std::string tar;
  for (int i = 0; i < 6; ++i) {
    const std::string name = std::to_string(i) + ".gif", label = i % 2 == 0 ? "walk" : "run";
    fs::create_directories(folder / ("files/" + label));
    write_text(folder / ("files/" + label + "/" + name), bitmap(40 * i));
    tar += tar_member(name, bitmap(40 * i)) + tar_member(std::to_string(i) + ".cls", label) +
           tar_member(std::to_string(i) + ".json", "{}") + tar_member(std::to_string(i) + ".jpg", "a still");
  }
  write_text(folder / "clips.tar", tar + kTarEnd);
  for (const std::int64_t cache : {0, 1}) {
    auto of_files = tiny<ClipsOptions>(folder / "files");
    auto of_shards = tiny<ShardsOptions>(folder / "clips.tar");
    of_files.test_share = of_shards.test_share = 0.5;
    of_shards.decode_cache_mb = cache;
    for (const Split split : {Split::train, Split::test}) {
      const auto files = ClipsModality(of_files).open(split, Purpose::pretrain);
      const auto shards = ShardsModality(of_shards).open(split, Purpose::pretrain);
      REQUIRE(shards->size() == files->size());
      CHECK(shards->classes() == files->classes());
      for (std::int64_t i = 0; i < files->size(); ++i) {
        // Folders sort by class, tar files by their order.
        std::int64_t same = 0;
        const std::string name = fs::path(files->name(i)).filename().string();
        while (!shards->name(same).ends_with(":" + name)) ++same;
        auto one = any_rng(), other = any_rng();
        const auto a = files->load(i, one), b = shards->load(same, other);
        CHECK(a.label == b.label);
        REQUIRE(a.views.size() == b.views.size());
        CHECK(at::equal(a.views[0], b.views[0]));
      }
    }
  }
}

TEST_CASE("video.shards: what cannot be read is told by its name, and runs of samples are handed on") {
  const TemporaryFolder folder;
  const std::string whole = bitmap(7);
  write_text(folder / "a.tar", tar_member("1.gif", whole) + tar_member("2.gif", whole.substr(0, 400)) +
                                   tar_member("3.mp4", "") + tar_member("4.webp", "RIFF") + kTarEnd);
  auto options = tiny<ShardsOptions>(folder / "a.tar");
  options.test_share = 0;
  options.read_run = 8;
  const auto source = ShardsModality(options).open(Split::train, Purpose::pretrain);
  CHECK(source->read_order().run == 8);
  CHECK(source->read_order().mixed == 32);
  REQUIRE(source->size() == 4);
  auto rng = any_rng();
  CHECK(source->load(0, rng).label == -1);
  for (const std::int64_t i : {1, 2, 3})
    CHECK_THROWS_WITH(source->load(i, rng), Contains("a.tar:" + std::to_string(i + 1) + "."));
  CHECK(ShardsModality(options).open(Split::test, Purpose::evaluate) == nullptr);

  // A tar file that shrinks under a run says so, rather than that a video is damaged.
  fs::resize_file(folder / "a.tar", 1000);
  CHECK_THROWS_WITH(source->load(0, rng), Contains("ends at byte 1000"));
}

TEST_CASE("video.shards: a member that takes too long is an error") {
  const TemporaryFolder folder;
  write_text(folder / "a.tar", tar_member("1.gif", bitmap(7)) + kTarEnd);
  const ShardFootage shards(cairn::open_shards(video_files(), {(folder / "a.tar").string(), "", 0}, Split::train),
                            {1e-9, 1}, 0);
  CHECK_THROWS_WITH(shards.open(0), Contains("time_limit"));
}
