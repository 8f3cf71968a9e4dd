#include <ATen/ATen.h>
#include <toml++/toml.h>

#include <catch2/catch.hpp>
#include <set>

#include "cairn/error.h"
#include "checkpoint/safetensors.h"
#include "clip_frames.h"
#include "footage_set.h"
#include "moving_shapes.h"
#include "support/golden.h"
#include "support/rng.h"
#include "support/temporary_folder.h"
#include "video_modality.h"

namespace fs = std::filesystem;
using cairn::Batch;
using cairn::ConfigError;
using cairn::DataError;
using cairn::Purpose;
using cairn::Rng;
using cairn::Sample;
using cairn::Split;
using cairn::Stream;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using namespace cairn::video;
using cairn::test::any_rng;
using Catch::Contains;

namespace {

/// A frame of one colour as a binary PPM.
void write_frame(const fs::path& path, int red, int side = 16) {
  fs::create_directories(path.parent_path());
  std::string text = "P6\n" + std::to_string(side) + " " + std::to_string(side) + "\n255\n";
  for (int i = 0; i < side * side; ++i) text += std::string{static_cast<char>(red), 10, 20};
  write_text(path, text);
}

/// A folder of frames: frame i has the red value 10 i.
void write_frames(const fs::path& folder, int count) {
  for (int i = 0; i < count; ++i) write_frame(folder / ("f" + std::to_string(i) + ".ppm"), 10 * i);
}

ClipsOptions small(const fs::path& path) {
  ClipsOptions options;
  options.path = path.string();
  options.size = 16;
  options.patch = 8;
  options.frames = 4;
  options.frame_step = 2;
  options.normalise = Normalise::none;
  return options;
}

/// Which frame of write_frames() each frame of a clip is.
std::vector<int> frames_of(const at::Tensor& clip) { return clip_frames_by_red(clip, 10); }

Sample load(const cairn::Modality& modality, Purpose purpose, std::int64_t index = 0, std::uint64_t draw = 0) {
  Rng rng = any_rng(draw);
  return modality.open(Split::train, purpose)->load(index, rng);
}

std::vector<std::int64_t> labels(const cairn::SampleSource& source) {
  std::vector<std::int64_t> out;
  Rng rng = any_rng();
  for (std::int64_t i = 0; i < source.size(); ++i) out.push_back(source.load(i, rng).label);
  return out;
}

using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("video: golden clips") {
  const fs::path folder = cairn::test::golden_case("frontends");
  if (folder.empty()) return;
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with("video_")) continue;
    ++cases;
    const toml::table toml = toml::parse_file((entry.path() / "case.toml").string());
    const auto given = toml["component"]["options"];
    PreprocessedOptions options;
    options.path = (entry.path() / *toml["input"]["file"].value<std::string>()).string();
    options.frames = *given["frames"].value<std::int64_t>();
    options.frame_step = *given["frame_step"].value<std::int64_t>();
    options.start = *given["start"].value<std::int64_t>();
    options.resize = *given["resize"].value<std::int64_t>();
    options.crop = *given["crop"].value<std::int64_t>();
    for (const auto& [key, list] : {std::pair{"mean", &options.mean}, std::pair{"std", &options.std}})
      for (const auto& number : *given[key].as_array()) list->push_back(*number.value<double>());
    const PreprocessedModality modality(options);
    Batch batch = modality.collate({load(modality, Purpose::evaluate)}, Purpose::evaluate);
    Rng rng = any_rng();
    modality.prepare(batch, Purpose::evaluate, rng);
    const at::Tensor expected = cairn::read_safetensors(entry.path() / "case.safetensors").tensors.at("expect.view");
    const at::Tensor error = (batch.views[0].data[0] - expected).abs();
    CAPTURE(entry.path().filename().string(), error.max().item<double>(), error.mean().item<double>());
    CHECK(error.max().item<double>() <= *toml["tolerance"]["absolute"].value<double>());
    CHECK(error.mean().item<double>() <= *toml["expect"]["mean_abs"].value<double>());
  }
  CHECK(cases >= 7);
}

TEST_CASE("video.clips: class folders of folders of frames, in the order of their numbers") {
  TemporaryFolder folder;
  write_frames(folder / "train/jump/a", 12);
  write_frames(folder / "train/jump/b", 12);
  write_frames(folder / "train/fall/c", 12);
  write_frames(folder / "val/fall/d", 12);
  const ClipsModality modality(small(folder.path()));
  const auto train = modality.open(Split::train, Purpose::evaluate),
             test = modality.open(Split::test, Purpose::evaluate);
  REQUIRE(train->classes() == std::vector<std::string>{"fall", "jump"});
  REQUIRE(labels(*train) == Numbers{0, 1, 1});
  REQUIRE(labels(*test) == Numbers{0});
  // The middle of 12 frames: starts may be 0 to 5.
  REQUIRE(frames_of(load(modality, Purpose::evaluate).views[0]) == std::vector<int>{2, 4, 6, 8});
}

TEST_CASE("video.clips: frames are sorted by the numbers in their names") {
  TemporaryFolder folder;
  const char* names[] = {"frame_1",  "frame_1a", "frame_02",  "frame_2",
                         "frame_2b", "frame_10", "frame_10b", "frame_100"};
  int red = 0;
  for (const char* name : names) write_frame(folder / "clip" / (std::string(name) + ".ppm"), 10 * red++);
  auto options = small(folder.path() / "clip");
  options.frames = 8;
  options.frame_step = 1;
  REQUIRE(frames_of(load(ClipsModality(options), Purpose::evaluate).views[0]) ==
          std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("video.clips: random clips cover the video, keep their step, and repeat the last frame of short ones") {
  TemporaryFolder folder;
  write_frames(folder / "clip", 12);
  const ClipsModality modality(small(folder.path() / "clip"));
  std::set<int> starts;
  for (std::uint64_t draw = 0; draw < 60; ++draw) {
    const auto frames = frames_of(load(modality, Purpose::pretrain, 0, draw).views[0]);
    starts.insert(frames[0]);
    REQUIRE(frames == std::vector<int>{frames[0], frames[0] + 2, frames[0] + 4, frames[0] + 6});
  }
  REQUIRE(starts == std::set<int>{0, 1, 2, 3, 4, 5});
  auto options = small(folder.path() / "clip");
  options.frame_step = 5;
  REQUIRE(frames_of(load(ClipsModality(options), Purpose::pretrain).views[0]) == std::vector<int>{0, 5, 10, 11});
  options.frame_step = 4;
  options.start = 3;
  REQUIRE(frames_of(load(ClipsModality(options), Purpose::evaluate).views[0]) == std::vector<int>{3, 7, 11, 11});
}

TEST_CASE("video.clips: features are evaluated on clips x crops where asked for, the middle first") {
  TemporaryFolder folder;
  write_frames(folder / "clip", 12);
  auto options = small(folder.path() / "clip");
  options.frames = 2;
  options.evaluate_clips = 3;
  const ClipsModality modality(options);
  REQUIRE(modality.views(Purpose::evaluate).size() == 3);
  REQUIRE(modality.views(Purpose::pretrain).size() == 1);
  // Of the parts 0 to 3, 4 to 7 and 8 to 11 the second comes first; a clip spans three frames of four.
  const Sample sample = load(modality, Purpose::evaluate);
  REQUIRE(sample.views.size() == 3);
  REQUIRE(frames_of(sample.views[0]) == std::vector<int>{4, 6});
  REQUIRE(frames_of(sample.views[1]) == std::vector<int>{0, 2});
  REQUIRE(frames_of(sample.views[2]) == std::vector<int>{8, 10});

  // Three squares side by side in a picture that is three times as wide as high, each of its own red.
  std::string wide = "P6\n48 16\n255\n";
  for (int i = 0; i < 16 * 48; ++i) wide += std::string{static_cast<char>(i % 48 / 16 * 100), 10, 20};
  fs::create_directories(folder / "wide");
  for (const char* name : {"a.ppm", "b.ppm"}) write_text(folder / "wide" / name, wide);
  options = small(folder.path() / "wide");
  options.evaluate_clips = 2;
  options.evaluate_crops = 3;
  const Sample cropped = load(ClipsModality(options), Purpose::evaluate);
  REQUIRE(cropped.views.size() == 6);
  for (std::size_t view = 0; view < 6; ++view)
    REQUIRE(cropped.views[view][0][0][8][8].item<int>() == std::array{100, 0, 200}[view % 3]);
}

TEST_CASE("video.clips: pictures come in turn, from the videos or from a folder") {
  TemporaryFolder folder;
  write_frames(folder / "clip", 12);
  auto options = small(folder.path() / "clip");
  CHECK_FALSE(ClipsModality(options).companion());
  options.pictures = (folder / "pictures").string();
  CHECK_THROWS_WITH(ClipsModality(options), Catch::Contains("picture_share"));
  options.pictures.clear();
  options.picture_share = 0.25;
  const auto of_videos = ClipsModality(options).companion();
  REQUIRE(of_videos);
  CHECK(of_videos->share == 0.25);
  CHECK(of_videos->modality->tokenizer().patch == Numbers{1, 8, 8});
  CHECK(of_videos->modality->views(Purpose::pretrain).at(0).grid.extent == Numbers{1, 2, 2});
  CHECK_FALSE(of_videos->modality->companion());
  std::set<int> frames;
  for (std::uint64_t draw = 0; draw < 100; ++draw)
    frames.insert(frames_of(load(*of_videos->modality, Purpose::pretrain, 0, draw).views[0]).at(0));
  CHECK(frames.size() == 12);  // any frame, not only those that a clip may start with

  write_frames(folder / "pictures/sea", 3);
  write_frames(folder / "pictures/land", 2);
  for (const auto& path : {folder / "pictures", folder / "pictures.txt"}) {
    if (path.extension() == ".txt")
      write_text(path, "pictures/sea/f1.ppm\npictures/sea/f2.ppm\npictures/land/f0.ppm\npictures/land/f1.ppm\n");
    options.pictures = path.string();
    const auto companion = ClipsModality(options).companion();
    const auto source = companion->modality->open(Split::train, Purpose::pretrain);
    CHECK(source->size() == (path.extension() == ".txt" ? 4 : 5));
    Rng rng = any_rng();
    CHECK(source->load(1, rng).views[0].sizes() == at::IntArrayRef({3, 1, 16, 16}));
  }
}

TEST_CASE("video.clips: fps takes frames by their time stamps") {
  TemporaryFolder folder;
  write_frames(folder / "clip", 20);  // 25 a second
  auto options = small(folder.path() / "clip");
  options.fps = 10;
  options.start = 1;
  REQUIRE(frames_of(load(ClipsModality(options), Purpose::evaluate).views[0]) == std::vector<int>{1, 3, 6, 8});
}

TEST_CASE("video.clips: several views come from as many parts, one crop and flip for all frames of each") {
  TemporaryFolder folder;
  write_frames(folder / "clip", 24);
  auto options = small(folder.path() / "clip");
  options.views = 2;
  options.frame_step = 1;
  const ClipsModality modality(options);
  REQUIRE(modality.views(Purpose::pretrain).size() == 2);
  REQUIRE(modality.views(Purpose::evaluate).size() == 1);
  for (std::uint64_t draw = 0; draw < 20; ++draw) {
    const Sample sample = load(modality, Purpose::pretrain, 0, draw);
    REQUIRE(sample.views.size() == 2);
    REQUIRE(frames_of(sample.views[0]).back() < 12);
    REQUIRE(frames_of(sample.views[1]).front() >= 12);
  }
  const Sample once = load(modality, Purpose::pretrain, 0, 7), again = load(modality, Purpose::pretrain, 0, 7);
  REQUIRE(once.views[1].equal(again.views[1]));
}

TEST_CASE("video.clips: colours change alike in all frames of a clip, each clip its own way, and not for evaluation") {
  TemporaryFolder folder;
  for (int i = 0; i < 24; ++i) write_frame(folder / "clip" / ("f" + std::to_string(i) + ".ppm"), 100);
  auto options = small(folder.path() / "clip");
  options.views = 2;
  options.jitter = {0.4, 0.4, 0.4, 0.1};
  options.jitter_probability = 1;
  const ClipsModality modality(options);
  const Sample sample = load(modality, Purpose::pretrain);
  for (const at::Tensor& clip : sample.views)
    for (std::int64_t t = 1; t < clip.size(1); ++t) REQUIRE(clip.select(1, t).equal(clip.select(1, 0)));
  REQUIRE_FALSE(sample.views[0].equal(sample.views[1]));
  REQUIRE(load(modality, Purpose::evaluate).views[0][0].eq(100).all().item<bool>());
}

TEST_CASE("video.list: labels of several lists count together, weights say how often") {
  TemporaryFolder folder;
  for (int i = 0; i < 4; ++i) write_frames(folder / ("a" + std::to_string(i)), 8);
  write_frame(folder / "still.ppm", 50);
  write_text(folder / "first.txt", "a0 0\na1 1\na2 0\n");
  write_text(folder / "second.txt", "a3::2\nstill.ppm 1\n");
  ListOptions options;
  static_cast<VideoOptions&>(options) = small(folder.path());
  options.path = (folder / "first.txt").string();
  options.test_share = 0;
  REQUIRE(labels(*ListModality(options).open(Split::train, Purpose::evaluate)) == Numbers{0, 1, 0});
  options.more_paths = {(folder / "second.txt").string()};
  const auto both = ListModality(options).open(Split::train, Purpose::evaluate);
  REQUIRE(labels(*both) == Numbers{0, 1, 0, 2, 1});
  REQUIRE(both->classes().size() == 3);
  Rng rng = any_rng();
  REQUIRE(frames_of(both->load(4, rng).views[0]) == std::vector<int>{5, 5, 5, 5});  // a picture stands still
  options.weights = {1, 2};
  const auto mixed = ListModality(options).open(Split::train, Purpose::pretrain);
  REQUIRE(labels(*mixed) == Numbers{0, 1, 0, 2, 1, 2, 1, 2, 1});  // 3 to 6
  REQUIRE(ListModality(options).open(Split::train, Purpose::evaluate)->size() == 5);
  options.weights = {1};
  REQUIRE_THROWS_AS(ListModality(options), ConfigError);
  fs::create_symlink("loop.ppm", folder / "loop.ppm");
  write_text(folder / "first.txt", "loop.ppm 0\nloop.ppm/frames 1\n");
  options.weights = {}, options.more_paths = {};
  const auto loops = ListModality(options).open(Split::train, Purpose::evaluate);
  for (const std::int64_t index : {0, 1}) REQUIRE_THROWS_AS(loops->load(index, rng), DataError);
}

TEST_CASE("video: wrong use") {
  TemporaryFolder folder;
  auto options = small(folder.path());
  REQUIRE_THROWS_WITH(ClipsModality(options).open(Split::train, Purpose::pretrain), Contains("no video files"));
  options.tubelet = 3;
  REQUIRE_THROWS_WITH(ClipsModality(options), Contains("tubelet"));
  options = small(folder.path());
  options.evaluate_resize = 8;
  REQUIRE_THROWS_AS(ClipsModality(options), ConfigError);
  write_text(folder / "broken.mp4", "no video");
  Rng rng = any_rng();
  const auto source = ClipsModality(small(folder.path())).open(Split::train, Purpose::pretrain);
  REQUIRE_THROWS_AS(source->load(0, rng), DataError);
  PreprocessedOptions processor;
  processor.crop = 300;
  REQUIRE_THROWS_AS(PreprocessedModality(processor), ConfigError);
}

TEST_CASE("moving_shapes: ten balanced classes, the same film for the same number") {
  MovingShapesOptions options;
  options.train_samples = 40;
  options.size = 32;
  const MovingShapesModality modality(options);
  const auto source = modality.open(Split::train, Purpose::pretrain);
  REQUIRE(source->classes().size() == 10);
  REQUIRE(labels(*source)[13] == 3);
  REQUIRE(load(modality, Purpose::pretrain, 5).views[0].equal(load(modality, Purpose::pretrain, 5).views[0]));
  REQUIRE_FALSE(load(modality, Purpose::pretrain, 5).views[0].equal(load(modality, Purpose::pretrain, 15).views[0]));
  Rng rng = any_rng();
  const auto test = modality.open(Split::test, Purpose::pretrain);
  REQUIRE_FALSE(load(modality, Purpose::pretrain, 5).views[0].equal(test->load(5, rng).views[0]));
}

TEST_CASE("moving_shapes: a film played backwards shows the opposite drift, and its frames look alike in all classes") {
  FilmSetting setting;
  setting.size = 24;
  setting.noise = 0;
  // Mean brightness of each place over many films: flat, whatever the class and the moment.
  for (const std::uint64_t motion : {0U, 3U, 5U, 7U, 8U, 9U})
    for (const std::int64_t moment : {0, 15}) {
      at::Tensor sum = at::zeros({24, 24});
      for (std::uint64_t film = 0; film < 150; ++film) {
        const auto footage = draw_film(1, 0, 10 * film + motion, setting);
        const std::vector<std::int64_t> wanted = {moment};
        footage->read(wanted, [&](std::size_t, const Frame& frame) {
          const auto picture = frame.part({0, 0, 24, 24});
          const at::Tensor bytes = at::from_blob(const_cast<std::uint8_t*>(picture.rgb.data()), {24, 24, 3}, at::kByte);
          // How much a place differs from the frame's mean tells where the shapes are.
          const at::Tensor values = bytes.to(at::kFloat);
          sum += (values - values.mean(at::IntArrayRef{0, 1}, true)).abs().mean(2);
        });
      }
      const at::Tensor halves = at::stack({sum.narrow(1, 0, 12).mean(), sum.narrow(1, 12, 12).mean(),
                                           sum.narrow(0, 0, 12).mean(), sum.narrow(0, 12, 12).mean()});
      CAPTURE(motion, moment);
      CHECK((halves.max() / halves.min()).item<double>() < 1.15);
    }
}
