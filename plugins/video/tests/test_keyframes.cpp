#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "ava_table.h"
#include "cairn/error.h"
#include "clip_frames.h"
#include "support/golden.h"
#include "support/rng.h"
#include "support/temporary_folder.h"
#include "video_file.h"
#include "video_modality.h"

namespace fs = std::filesystem;
using cairn::Batch;
using cairn::ConfigError;
using cairn::DataError;
using cairn::Purpose;
using cairn::Rng;
using cairn::Sample;
using cairn::Split;
using cairn::test::any_rng;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using namespace cairn::video;
using Catch::Contains;
using Ids = std::set<std::int64_t>;

namespace {

/// Frames 8 wide and 4 high, 25 a second: frame i has the red value 5 i, and its left quarter is all green.
void write_film(const fs::path& folder, int count) {
  for (int i = 0; i < count; ++i) {
    std::string text = "P6\n8 4\n255\n";
    for (int pixel = 0; pixel < 32; ++pixel)
      text += std::string{static_cast<char>(5 * i), static_cast<char>(pixel % 8 < 2 ? 255 : 0), 0};
    fs::create_directories(folder);
    write_text(folder / ("f" + std::to_string(i) + ".ppm"), text);
  }
}

KeyframesOptions small(const fs::path& folder, const std::string& table) {
  write_text(folder / "train.csv", table);
  KeyframesOptions options;
  options.path = (folder / "train.csv").string();
  options.videos = folder.string();
  options.size = 8;
  options.patch = 4;
  options.frames = 4;
  options.frame_step = 2;
  options.test_share = 0;
  options.normalise = Normalise::none;
  return options;
}

std::unique_ptr<cairn::SampleSource> open(const KeyframesOptions& options, Split split = Split::train) {
  return KeyframesModality(options).open(split, Purpose::evaluate);
}

Sample load(const cairn::SampleSource& source, std::int64_t index = 0) {
  Rng rng = any_rng();
  return source.load(index, rng);
}

/// Which frame of write_film() each frame of a clip is.
std::vector<int> frame_numbers(const at::Tensor& clip) { return clip_frames_by_red(clip, 5, /*column=*/7); }

Keyframes read(const TemporaryFolder& folder, const std::string& text) {
  write_text(folder / "table.csv", text);
  return read_keyframes(folder / "table.csv");
}

}  // namespace

TEST_CASE("AVA's table: a line an action, a box all its actions") {
  TemporaryFolder folder;
  const Keyframes found = read(folder,
                               "-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1\n"
                               "-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,9,1\r\n"
                               "\n"
                               "-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,9,2\n"
                               "-5KQ66BBWC4,902.5,0,0,1,1,12\n");
  REQUIRE(found.size() == 2);
  const auto& boxes = found.at({"-5KQ66BBWC4", 902});
  REQUIRE(boxes.size() == 2);  // somebody else may stand at the same place
  CHECK(boxes[0].actions == Ids{9, 80});
  CHECK(boxes[1].actions == Ids{9});
  CHECK(boxes[0].edges == std::array<float, 4>{0.077F, 0.151F, 0.283F, 0.811F});
  CHECK(found.at({"-5KQ66BBWC4", 902.5})[0].actions == Ids{12});
}

TEST_CASE("AVA's table: broken lines are named, with a cure") {
  TemporaryFolder folder;
  const std::string good = "a,902,0.1,0.2,0.5,0.9,12,0\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a,902,0.1,0.2,0.5", "table.csv:2: has 5 columns, not 7 or 8"},
      {"a,902,0.1,0.2,0.5,0.9,12,0,1", "has 9 columns"},
      {",902,0.1,0.2,0.5,0.9,12,0", "names no video"},
      {"a,noon,0.1,0.2,0.5,0.9,12,0", "'noon' is not a time"},
      {"a,902,0.1,left,0.5,0.9,12,0", "'left' is not an edge"},
      {"a,902,0.1,0.2,nan,0.9,12,0", "lies outside the frame"},
      {"a,902,12,0.2,80,0.9,12,0", "divide edges in pixels by width and height"},
      {"a,902,-0.1,0.2,0.5,0.9,12,0", "the edge -0.1 lies outside the frame"},
      {"a,902,0.5,0.2,0.1,0.9,12,0", "ends before it begins"},
      {"a,902,0.1,0.2,0.5,0.9,walk,0", "'walk' is not the id of an action"}};
  for (const auto& [line, text] : cases) CHECK_THROWS_WITH(read(folder, good + line + "\n" + good), Contains(text));
  CHECK_THROWS_WITH(read(folder, "video_id,middle_frame_timestamp,x1,y1,x2,y2,action_id,person_id\n" + good),
                    Contains("table.csv:1") && Contains("no header"));
  CHECK_THROWS_WITH(read(folder, "\n"), Contains("holds no box"));
  CHECK_THROWS_AS(read_keyframes(folder / "none.csv"), DataError);
  write_text(folder / "excluded.csv", "a,902\na\n");
  CHECK_THROWS_WITH(read_moments(folder / "excluded.csv"), Contains("excluded.csv:2: has 1 columns, not 2"));
}

TEST_CASE("lists of actions: AVA's two .pbtxt dialects, and CSV") {
  TemporaryFolder folder;
  const auto names = [&](const std::string& text) {
    write_text(folder / "actions", text);
    return read_actions(folder / "actions");
  };
  const ActionNames expected = {{1, "bend/bow (at the waist)"}, {12, "stand"}};
  CHECK(names("item {\n  name: \"bend/bow (at the waist)\"\n  id: 1\n}\nitem {\n  name: \"stand\"\n  id: 12\n}\n") ==
        expected);
  CHECK(names("label {\n  name: \"bend/bow (at the waist)\"\n  label_id: 1\n  label_type: PERSON_MOVEMENT\n}\n"
              "label {\n  label_id: 12\n  name: \"stand\"\n}\n") == expected);
  CHECK(names("label_id,label_name\n1,bend/bow (at the waist)\n12,stand,PERSON_MOVEMENT\n") == expected);
  CHECK_THROWS_WITH(names("item {\n  name: \"stand\"\n}\n"), Contains("actions:3: an action ends without an id"));
  CHECK_THROWS_WITH(names("item {\n  id: twelve\n}\n"), Contains("'twelve' is not the id"));
  CHECK_THROWS_WITH(names("1,bend\nstand\n"), Contains("actions:2"));
  CHECK_THROWS_WITH(names("id,name\n"), Contains("names no action"));
}

TEST_CASE("keyframes: the clip lies about its moment, and what is missing is filled") {
  TemporaryFolder folder;
  write_film(folder / "film", 40);
  auto options = small(folder.path(), "film,0.8,0,0,1,1,1\nfilm,0,0,0,1,1,1\nfilm,1.6,0,0,1,1,2\n");
  const auto source = open(options);
  REQUIRE(source->size() == 3);
  CHECK(source->name(1) == "film@0.8");
  CHECK(frame_numbers(load(*source, 1).views[0]) == std::vector<int>{16, 18, 20, 22});  // frame 20 is shown then
  CHECK(frame_numbers(load(*source, 0).views[0]) == std::vector<int>{0, 0, 0, 2});
  CHECK(frame_numbers(load(*source, 2).views[0]) == std::vector<int>{35, 37, 39, 39});
  options.fps = 5;
  CHECK(frame_numbers(load(*open(options), 1).views[0]) == std::vector<int>{10, 15, 20, 25});
  options = small(folder.path(), "film,900.8,0,0,1,1,1\n");
  options.first_second = 900;
  CHECK(frame_numbers(load(*open(options)).views[0]) == std::vector<int>{16, 18, 20, 22});
}

TEST_CASE("keyframes: clips of a real file are the frames of a linear decode") {
  const fs::path zoo = cairn::test::shared_folder() / "data/zoo/video", name = "derived_bframes_longgop.mkv";
  if (!fs::exists(zoo / name)) return;
  VideoFile linear(zoo / name, {20, 1});
  linear.recount();
  const double seconds = 0.6 * linear.time(linear.frames() - 1) + 0.001;
  std::int64_t centre = 0;
  while (centre + 1 < linear.frames() && linear.time(centre + 1) <= seconds) ++centre;
  TemporaryFolder folder;
  auto options = small(folder.path(), name.stem().string() + "," + std::to_string(seconds) + ",0,0,1,1,1\n");
  options.videos = zoo.string();
  const Sample sample = load(*open(options));
  const std::vector<std::int64_t> wanted = {centre - 4, centre - 2, centre, centre + 2};
  linear.read(wanted, [&](std::size_t slot, const Frame& frame) {
    const auto extent = frame.extent();
    const auto picture = cairn::media::resample(
        frame.part({0, 0, extent.width, extent.height}),
        {0, 0, static_cast<double>(extent.width), static_cast<double>(extent.height)}, {8, 8}, options.interpolation);
    const at::Tensor expected =
        at::from_blob(const_cast<std::uint8_t*>(picture.rgb.data()), {8, 8, 3}, at::kByte).permute({2, 0, 1});
    CAPTURE(slot);
    CHECK(sample.views[0].select(1, static_cast<std::int64_t>(slot)).equal(expected));
  });
}

TEST_CASE("keyframes: whole frames are shown, so that boxes keep their shares") {
  TemporaryFolder folder;
  write_film(folder / "film", 20);
  const at::Tensor green = load(*open(small(folder.path(), "film,0.4,0,0,0.25,1,1\n"))).views[0].select(1, 0)[1];
  CHECK(green.narrow(1, 0, 2).eq(255).all().item<bool>());  // the left quarter, though the frame is wider than high
  CHECK(green.narrow(1, 3, 5).eq(0).all().item<bool>());
}

TEST_CASE("keyframes: boxes and labels of each sample, filled up in a batch") {
  TemporaryFolder folder;
  write_film(folder / "film", 20);
  auto options =
      small(folder.path(), "film,0.2,0,0,0.5,1,7\nfilm,0.2,0,0,0.5,1,3\nfilm,0.4,0,0,1,1,3\nfilm,0.4,0,0.5,1,1,9\n");
  const auto source = open(options);
  CHECK(source->classes() == std::vector<std::string>{"action 3", "action 7", "action 9"});
  const KeyframesModality modality(options);
  const Batch batch = modality.collate({load(*source, 0), load(*source, 1)}, Purpose::evaluate);
  CHECK(batch.extra.at("boxes").sizes() == at::IntArrayRef({2, 2, 4}));
  CHECK(batch.extra.at("boxes")[0][1].isnan().all().item<bool>());
  CHECK(batch.extra.at("box_labels")[0][0].equal(at::tensor({1.0F, 1.0F, 0.0F})));
  CHECK(batch.extra.at("box_labels")[1].equal(at::tensor({1.0F, 0.0F, 0.0F, 0.0F, 0.0F, 1.0F}).view({2, 3})));
  const auto training = modality.open(Split::train, Purpose::pretrain);
  CHECK(modality.collate({load(*training, 0), load(*training, 1)}, Purpose::pretrain).extra.empty());

  write_text(folder / "actions.csv", "3,walk\n5,swim\n");
  options.actions = (folder / "actions.csv").string();
  const auto fewer = open(options);
  CHECK(fewer->classes() == std::vector<std::string>{"walk", "swim"});
  CHECK(load(*fewer, 0).extra.at("box_labels").equal(at::tensor({1.0F, 0.0F}).view({1, 2})));
  CHECK(load(*fewer, 1).extra.at("boxes").size(0) == 1);  // the other box does nothing that counts
  write_text(folder / "excluded.csv", "film,0.4\n");
  options.excluded = {(folder / "excluded.csv").string()};
  CHECK(open(options)->size() == 1);
}

TEST_CASE("keyframes: the test part is a table, or videos kept apart") {
  TemporaryFolder folder;
  std::string table;
  for (const char* name : {"a", "b", "c", "d"}) {
    write_film(folder / name, 4);
    table += std::string(name) + ",0,0,0,1,1,1\n" + name + ",0.1,0,0,1,1,1\n";
  }
  auto options = small(folder.path(), table);
  CHECK(open(options, Split::test) == nullptr);
  options.test_share = 0.25;
  const auto train = open(options), test = open(options, Split::test);
  CHECK(train->size() == 6);
  REQUIRE(test->size() == 2);
  CHECK(test->name(0).front() == test->name(1).front());  // no video lies in both parts
  write_text(folder / "val.csv", "d,0.1,0,0,1,1,2\n");
  options.test_path = (folder / "val.csv").string();
  CHECK(open(options)->size() == 8);
  CHECK(open(options, Split::test)->name(0) == "d@0.1");
  CHECK(open(options, Split::test)->classes() == open(options)->classes());
}

TEST_CASE("keyframes: wrong use") {
  TemporaryFolder folder;
  write_film(folder / "film", 20);
  const auto source = open(small(folder.path(), "film,0.2,0,0,1,1,1\ngone,0.2,0,0,1,1,1\nfilm,9,0,0,1,1,1\n"));
  REQUIRE(source->size() == 3);
  CHECK(load(*source, 0).views.size() == 1);
  CHECK_THROWS_WITH(load(*source, 1), Contains("no second 9 in the video's 0.8") && Contains("first_second"));
  CHECK(source->name(2) == "gone@0.2");
  CHECK_THROWS_WITH(load(*source, 2), Contains("holds no video 'gone'"));
  auto options = small(folder.path(), "gone,0.2,0,0,1,1,1\n");
  CHECK_THROWS_WITH(open(options), Contains("none of the 1 videos of the table; the first is 'gone'"));
  options.videos = (folder / "nowhere").string();
  CHECK_THROWS_WITH(open(options), Contains("modality.videos"));
  options.actions = (folder / "actions.csv").string();
  write_text(folder / "actions.csv", "5,swim\n");
  CHECK_THROWS_WITH(open(options), Contains("no box is left"));
  options.evaluate_resize = 16;
  CHECK_THROWS_AS(KeyframesModality(options), ConfigError);
  options.evaluate_resize = 0;
  options.evaluate_crops = 3;
  CHECK_THROWS_AS(KeyframesModality(options), ConfigError);
  options.evaluate_crops = 1;
  options.start = 3;
  CHECK_THROWS_AS(KeyframesModality(options), ConfigError);
}
