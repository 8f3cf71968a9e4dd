#include <ATen/ATen.h>
#include <toml++/toml.h>
#include <zlib.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "augment.h"
#include "cairn/error.h"
#include "checkpoint/safetensors.h"
#include "image_modality.h"
#include "media/crop.h"
#include "media/decode.h"
#include "support/golden.h"
#include "support/rng.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using cairn::Batch;
using cairn::ConfigError;
using cairn::DataError;
using cairn::Purpose;
using cairn::Rng;
using cairn::Sample;
using cairn::Split;
using cairn::Stream;
using cairn::ViewRole;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using namespace cairn::image;
using namespace cairn::media;
using cairn::test::any_rng;
using Catch::Contains;

namespace {

template <class O>
O small(const fs::path& path, std::int64_t size = 32, std::int64_t patch = 8) {
  O options;
  options.path = path.string();
  options.size = size;
  options.patch = patch;
  return options;
}

/// A prepared batch of one evaluated sample.
at::Tensor evaluated(const cairn::Modality& modality, std::int64_t index = 0) {
  const auto source = modality.open(Split::train, Purpose::evaluate);
  Rng rng = any_rng();
  Batch batch = modality.collate({source->load(index, rng)}, Purpose::evaluate);
  modality.prepare(batch, Purpose::evaluate, rng);
  return batch.views[0].data[0];
}

/// A picture of one colour as a binary PPM.
void write_ppm(const fs::path& path, int red, int side = 8) {
  fs::create_directories(path.parent_path());
  std::string text = "P6\n" + std::to_string(side) + " " + std::to_string(side) + "\n255\n";
  for (int i = 0; i < side * side; ++i) text += std::string{static_cast<char>(red), 10, 20};
  write_text(path, text);
}

std::string bytes_of(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

std::vector<std::int64_t> labels(const cairn::SampleSource& source) {
  std::vector<std::int64_t> out;
  Rng rng = any_rng();
  for (std::int64_t i = 0; i < source.size(); ++i) out.push_back(source.load(i, rng).label);
  return out;
}

using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("image: golden evaluation transforms") {
  const fs::path folder = cairn::test::golden_case("frontends");
  if (folder.empty()) return;
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with("image_")) continue;
    ++cases;
    const toml::table toml = toml::parse_file((entry.path() / "case.toml").string());
    const auto given = toml["component"]["options"];
    auto options = small<FolderOptions>(entry.path() / *toml["input"]["file"].value<std::string>());
    options.size = options.patch = *given["crop"].value<std::int64_t>();
    options.evaluate_resize = *given["resize"].value<std::int64_t>();
    options.interpolation =
        *given["interpolation"].value<std::string>() == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
    options.exif = given["exif"].value_or(false);
    for (const auto& [key, list] : {std::pair{"mean", &options.mean}, std::pair{"std", &options.std}})
      for (const auto& number : *given[key].as_array()) list->push_back(*number.value<double>());
    const at::Tensor expected = cairn::read_safetensors(entry.path() / "case.safetensors").tensors.at("expect.view");
    const at::Tensor error = (evaluated(FolderModality(options)) - expected).abs();
    CAPTURE(entry.path().filename().string(), error.max().item<double>(), error.mean().item<double>());
    CHECK(error.max().item<double>() <= *toml["tolerance"]["absolute"].value<double>());
    CHECK(error.mean().item<double>() <= *toml["expect"]["mean_abs"].value<double>());
  }
  CHECK(cases >= 10);
}

TEST_CASE("image: every file of the zoo is a picture or a clear error") {
  const fs::path zoo = cairn::test::shared_folder() / "data/zoo/images";
  if (!fs::exists(zoo)) {
    std::cerr << "skipped: no zoo at " << zoo << "\n";
    return;
  }
  std::ifstream manifest(zoo / "MANIFEST.tsv");
  std::string line;
  std::getline(manifest, line);
  while (std::getline(manifest, line)) {
    std::istringstream fields(line);
    std::string name, size, status, seen;
    std::getline(fields, name, '\t') && std::getline(fields, size, '\t') && std::getline(fields, status, '\t') &&
        std::getline(fields, seen, '\t');
    FolderModality modality(small<FolderOptions>(zoo / name));
    const auto pretrain = modality.open(Split::train, Purpose::pretrain);
    CAPTURE(line);
    Rng rng = any_rng();
    if (status == "ok") {
      CHECK_NOTHROW(evaluated(modality));
      CHECK_NOTHROW(pretrain->load(0, rng));
      std::ifstream file(zoo / name, std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
      const Picture picture = decode(bytes, read_header(bytes, name), false, name);
      CHECK(seen.find(std::to_string(picture.width) + "x" + std::to_string(picture.height)) != std::string::npos);
    } else {
      REQUIRE_THROWS_AS(evaluated(modality), DataError);
      REQUIRE_THROWS_WITH(evaluated(modality), Contains(name));
      CHECK_THROWS_AS(pretrain->load(0, rng), DataError);
    }
  }
}

TEST_CASE("image: a header that claims a gigantic picture is refused before memory is taken") {
  TemporaryFolder folder;
  std::string png = "\x89PNG\r\n\x1A\n";
  png += bytes_of({0, 0, 0, 13}) + "IHDR" + bytes_of({0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60, 8, 2, 0, 0, 0, 0, 0, 0, 0});
  write_text(folder / "bomb.png", png);
  REQUIRE_THROWS_WITH(evaluated(FolderModality(small<FolderOptions>(folder / "bomb.png"))), Contains("60000 x 60000"));
}

TEST_CASE("image: class folders with and without a test part") {
  TemporaryFolder folder;
  for (int i = 0; i < 5; ++i) write_ppm(folder / ("cats/" + std::to_string(i) + ".ppm"), i);
  write_ppm(folder / "ants/deeper/only.ppm", 9);
  write_text(folder / "cats/.hidden.ppm", "x");
  write_text(folder / "cats/notes.txt", "x");
  fs::create_directory_symlink(folder / "cats", folder / "cats/loop");
  FolderModality modality(small<FolderOptions>(folder.path()));
  const auto train = modality.open(Split::train, Purpose::pretrain),
             test = modality.open(Split::test, Purpose::evaluate);
  CHECK(train->classes() == std::vector<std::string>{"ants", "cats"});
  CHECK(labels(*train) == Numbers{0, 1, 1, 1, 1});
  CHECK(labels(*test) == Numbers{1});
  CHECK(test->name(0) == (folder / "cats/4.ppm").string());

  for (const char* part :
       {"train/ants/a.ppm", "train/cats/a.ppm", "train/cats/b.ppm", "test/cats/c.ppm", "test/bees/c.ppm"})
    write_ppm(folder / ("set/" + std::string(part)), 1);
  FolderModality divided(small<FolderOptions>(folder / "set"));
  CHECK(labels(*divided.open(Split::train, Purpose::pretrain)) == Numbers{0, 2, 2});
  CHECK(labels(*divided.open(Split::test, Purpose::evaluate)) == Numbers{1, 2});
  CHECK(divided.open(Split::test, Purpose::evaluate)->classes() == std::vector<std::string>{"ants", "bees", "cats"});
}

TEST_CASE("image: a class called train is a class, parts may be in capitals, and links lead nowhere twice") {
  TemporaryFolder folder;
  for (const char* path : {"vehicles/bus/a.ppm", "vehicles/car/a.ppm", "vehicles/train/a.ppm"})
    write_ppm(folder / path, 1);
  const auto vehicles = FolderModality(small<FolderOptions>(folder / "vehicles")).open(Split::train, Purpose::pretrain);
  CHECK(vehicles->classes() == std::vector<std::string>{"bus", "car", "train"});
  CHECK(labels(*vehicles) == Numbers{0, 1, 2});

  for (const char* path : {"set/Train/a/1.ppm", "set/Train/b/1.ppm", "set/Val/b/2.ppm", "set/notes/3.ppm"})
    write_ppm(folder / path, 1);
  FolderModality capitals(small<FolderOptions>(folder / "set"));
  CHECK(labels(*capitals.open(Split::train, Purpose::pretrain)) == Numbers{0, 1});
  CHECK(labels(*capitals.open(Split::test, Purpose::evaluate)) == Numbers{1});
  // Without a test part too: what lies beside train/ is no class of pictures.
  for (const char* path : {"parts/train/a/1.ppm", "parts/train/b/1.ppm", "parts/unlabelled/3.ppm"})
    write_ppm(folder / path, 1);
  CHECK(labels(*FolderModality(small<FolderOptions>(folder / "parts")).open(Split::train, Purpose::pretrain)) ==
        Numbers{0, 1});

  for (const char* path : {"loop/a/1.ppm", "loop/b/1.ppm"}) write_ppm(folder / path, 1);
  fs::create_directory_symlink("..", folder / "loop/a/up");
  CHECK(labels(*FolderModality(small<FolderOptions>(folder / "loop")).open(Split::train, Purpose::pretrain)) ==
        Numbers{0, 1});
}

TEST_CASE("image: a flat folder has no labels and no test part") {
  TemporaryFolder folder;
  write_ppm(folder / "b.ppm", 1);
  write_ppm(folder / "a.ppm", 2);
  FolderModality modality(small<FolderOptions>(folder.path()));
  const auto train = modality.open(Split::train, Purpose::pretrain);
  CHECK(labels(*train) == Numbers{-1, -1});
  CHECK(train->classes().empty());
  CHECK(train->name(0) == (folder / "a.ppm").string());
  CHECK(modality.open(Split::test, Purpose::evaluate) == nullptr);
}

TEST_CASE("image: what cannot be opened says why") {
  TemporaryFolder folder;
  const auto open = [](const auto& modality) { return modality.open(Split::train, Purpose::pretrain); };
  CHECK_THROWS_WITH(open(FolderModality(small<FolderOptions>(folder / "absent"))), Contains("does not exist"));
  CHECK_THROWS_WITH(open(FolderModality(small<FolderOptions>(""))), Contains("modality.path"));
  fs::create_directories(folder / "empty/a");
  write_text(folder / "empty/a/readme.md", "");
  CHECK_THROWS_WITH(open(FolderModality(small<FolderOptions>(folder / "empty"))),
                    Contains("1 sub-folder but no image files (1 other file)") && Contains(".jpg"));
  CHECK_THROWS_WITH(open(ListModality(small<ListOptions>(folder / "absent.txt"))), Contains("does not exist"));
  CHECK_THROWS_WITH(open(ListModality(small<ListOptions>(folder.path()))), Contains("no list file"));
  CHECK_THROWS_WITH(open(CifarModality(small<CifarOptions>(folder.path()))), Contains("data_batch_1.bin"));
  CHECK_THROWS_WITH(open(IdxModality(small<IdxOptions>(folder.path()))), Contains("t10k-images-idx3-ubyte"));
}

TEST_CASE("image: lists with names, numbers, spaces and missing files") {
  TemporaryFolder folder;
  for (const char* name : {"a.ppm", "b b.ppm", "c.ppm"}) write_ppm(folder / name, 1);
  write_text(folder / "train.txt", "a.ppm\tzebra\n\nb b.ppm ant\r\nmissing.ppm ant\nc.ppm\n");
  write_text(folder / "test.txt", "c.ppm bee\n");
  auto options = small<ListOptions>(folder / "train.txt");
  options.test_path = (folder / "test.txt").string();
  ListModality modality(options);
  const auto train = modality.open(Split::train, Purpose::pretrain),
             test = modality.open(Split::test, Purpose::evaluate);
  CHECK(train->classes() == std::vector<std::string>{"ant", "bee", "zebra"});
  REQUIRE(train->size() == 4);
  Rng rng = any_rng();
  CHECK(train->load(0, rng).label == 2);
  CHECK(train->load(1, rng).label == 0);
  CHECK(train->load(3, rng).label == -1);
  CHECK(test->load(0, rng).label == 1);
  CHECK_THROWS_WITH(train->load(2, rng), Contains("missing.ppm") && Contains("cannot be opened"));

  write_text(folder / "numbers.txt",
             "\xEF\xBB\xBF"
             "a.ppm 3\nb b.ppm 0\n");  // as editors on Windows begin a file
  const auto numbers = ListModality(small<ListOptions>(folder / "numbers.txt")).open(Split::train, Purpose::pretrain);
  CHECK(labels(*numbers) == Numbers{3, 0});
  CHECK(numbers->classes().size() == 4);
  CHECK(numbers->name(0) == (folder / "a.ppm").string());
}

TEST_CASE("image: CIFAR-10 and CIFAR-100 records") {
  TemporaryFolder folder;
  std::string record(3073, '\0');
  record[0] = 7;
  record[1] = static_cast<char>(255);  // red of the first pixel
  write_text(folder / "data_batch_1.bin", record + record);
  write_text(folder / "test_batch.bin", record);
  auto options = small<CifarOptions>(folder.path());
  options.normalise = Normalise::none;
  CifarModality modality(options);
  CHECK(labels(*modality.open(Split::train, Purpose::pretrain)) == Numbers{7, 7});
  CHECK(labels(*modality.open(Split::test, Purpose::evaluate)) == Numbers{7});
  CHECK(modality.open(Split::train, Purpose::evaluate)->classes()[7] == "horse");
  const at::Tensor view = evaluated(modality);
  CHECK(view[0][0][0].item<float>() == 1);
  CHECK(view.sum().item<float>() == 1);

  write_text(folder / "data_batch_2.bin", record.substr(0, 3000));
  CHECK_THROWS_WITH(modality.open(Split::train, Purpose::pretrain),
                    Contains("data_batch_2.bin") && Contains("truncated"));
  fs::create_directories(folder / "hundred");
  write_text(folder / "hundred/train.bin", bytes_of({1, 42}) + std::string(3072, '\1'));
  const auto hundred = CifarModality(small<CifarOptions>(folder / "hundred")).open(Split::train, Purpose::pretrain);
  CHECK(labels(*hundred) == Numbers{42});
  CHECK(hundred->classes().size() == 100);
}

TEST_CASE("image: IDX files, gzipped or not, divided at the end where there is one part") {
  TemporaryFolder folder;
  std::string images = bytes_of({0, 0, 8, 3, 0, 0, 0, 10, 0, 0, 0, 4, 0, 0, 0, 4});
  std::string names = bytes_of({0, 0, 8, 1, 0, 0, 0, 10});
  for (int i = 0; i < 10; ++i) {
    images += std::string(16, static_cast<char>(i));
    names += static_cast<char>(i);
  }
  const std::string packed = (folder / "t10k-images-idx3-ubyte.gz").string();
  gzFile file = gzopen(packed.c_str(), "wb");
  gzwrite(file, images.data(), static_cast<unsigned>(images.size()));
  gzclose(file);
  write_text(folder / "t10k-labels-idx1-ubyte", names);
  auto options = small<IdxOptions>(folder.path());
  IdxModality modality(options);
  CHECK(labels(*modality.open(Split::train, Purpose::pretrain)) == Numbers{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(labels(*modality.open(Split::test, Purpose::evaluate)) == Numbers{8, 9});
  CHECK(modality.open(Split::test, Purpose::evaluate)->classes().size() == 10);

  write_text(folder / "t10k-labels-idx1-ubyte", names.substr(0, 12));
  CHECK_THROWS_WITH(modality.open(Split::train, Purpose::pretrain), Contains("truncated"));
  write_text(folder / "t10k-labels-idx1-ubyte", images);
  CHECK_THROWS_WITH(modality.open(Split::train, Purpose::pretrain), Contains("magic"));
  fs::resize_file(packed, fs::file_size(packed) - 12);
  CHECK_THROWS_AS(modality.open(Split::train, Purpose::pretrain), DataError);
}

TEST_CASE("image: evaluation is a function of the sample, pretraining of the generator") {
  ShapesOptions options;
  options.size = 48;
  options.patch = 8;
  options.views = 2;
  ShapesModality modality(options);
  const auto plain = modality.open(Split::test, Purpose::evaluate),
             drawn = modality.open(Split::train, Purpose::pretrain);
  Rng used = any_rng(), fresh = any_rng(), again = any_rng(), other = any_rng(1);
  const auto a = plain->load(3, used), b = plain->load(3, other);
  CHECK(used.bits() == fresh.bits());
  CHECK(a.views.size() == 1);
  CHECK(a.views[0].equal(b.views[0]));
  CHECK(a.views[0].scalar_type() == at::kByte);
  CHECK(a.views[0].sizes() == at::IntArrayRef({3, 48, 48}));

  Rng one = any_rng(), two = any_rng(2);
  const auto first = drawn->load(3, one), same = drawn->load(3, again), differs = drawn->load(3, two);
  REQUIRE(first.views.size() == 2);
  CHECK(first.views[0].equal(same.views[0]));
  CHECK_FALSE(first.views[0].equal(first.views[1]));
  CHECK_FALSE(first.views[0].equal(differs.views[0]));
  CHECK(modality.views(Purpose::pretrain).size() == 2);
  CHECK(modality.views(Purpose::evaluate).size() == 1);
}

TEST_CASE("image: shapes are balanced, differ, and cover the area they should") {
  ShapesDifficulty bare{{0.2, 0.2}, {0, 0}, 0, 0};
  for (std::uint64_t kind = 0; kind < 8; ++kind) {
    double covered = 0;
    constexpr int kPictures = 30;
    for (std::uint64_t i = 0; i < kPictures; ++i) {
      const Picture picture = draw_shape(0, 0, kind + 8 * i, 64, bare);
      // Without noise the shape has one colour, at least 0.45 from the background; the gradient spoils at most 0.35.
      const Picture empty = draw_shape(0, 0, kind + 8 * i, 64, {{1e-6, 1e-6}, {0, 0}, 0, 0});
      for (std::size_t p = 0; p < picture.rgb.size(); p += 3) {
        int difference = 0;
        for (std::size_t c = 0; c < 3; ++c) difference += std::abs(picture.rgb[p + c] - empty.rgb[p + c]);
        covered += difference > 12 ? 1.0 : 0.0;
      }
    }
    CAPTURE(shape_names()[kind]);
    CHECK(covered / (kPictures * 64.0 * 64.0) == Approx(0.2).epsilon(0.12));
  }
  CHECK(draw_shape(0, 0, 5, 32, {}).rgb == draw_shape(0, 0, 5, 32, {}).rgb);
  CHECK(draw_shape(0, 0, 5, 32, {}).rgb != draw_shape(0, 1, 5, 32, {}).rgb);
  CHECK(draw_shape(0, 0, 5, 32, {}).rgb != draw_shape(1, 0, 5, 32, {}).rgb);
}

TEST_CASE("image: standardised input has mean 0 per channel and deviation 1 per picture") {
  ShapesOptions options;
  options.size = 48;
  options.patch = 8;
  options.normalise = Normalise::standardise;
  ShapesModality modality(options);
  const at::Tensor view = evaluated(modality, 5);
  CHECK(view.mean({1, 2}).abs().max().item<double>() < 1e-4);
  CHECK(view.square().mean().item<double>() == Approx(1).epsilon(1e-4));
  TemporaryFolder folder;
  write_ppm(folder / "flat.ppm", 100);
  auto flat = small<FolderOptions>(folder.path());
  flat.normalise = Normalise::standardise;
  CHECK(evaluated(FolderModality(flat)).abs().max().item<double>() < 1e-3);
}

TEST_CASE("image: a prepared view can be shown again") {
  TemporaryFolder folder;
  write_ppm(folder / "a.ppm", 200);
  for (const std::int64_t channels : {3, 1}) {
    auto options = small<FolderOptions>(folder.path());
    options.channels = channels;
    FolderModality modality(options);
    const at::Tensor view = evaluated(modality);
    CHECK(view.size(0) == channels);
    const at::Tensor shown = (modality.display({view.unsqueeze(0), {}, {}})[0] * 255).round();
    CHECK(shown.sizes() == at::IntArrayRef({channels, 32, 32}));
    const int red = shown[0][4][4].item<int>(),
              green = shown[std::min<std::int64_t>(1, channels - 1)][4][4].item<int>();
    if (channels == 3) CHECK((red == 200 && green == 10));
    if (channels == 1) CHECK((red == 68 && green == 68));
  }
}

TEST_CASE("image: options that contradict each other are refused") {
  ShapesOptions options;
  options.size = 50;
  CHECK_THROWS_WITH(ShapesModality(options), Contains("patch"));
  options.size = 48;
  options.evaluate_resize = 40;
  CHECK_THROWS_WITH(ShapesModality(options), Contains("evaluate_resize"));
  options.evaluate_resize = 0;
  options.crop_scale = {0.9, 0.3};
  CHECK_THROWS_WITH(ShapesModality(options), Contains("crop_scale"));
  options.crop_scale = {0.3, 0.9};
  options.mean = {0.5};
  CHECK_THROWS_WITH(ShapesModality(options), Contains("mean"));
  options.mean = {};
  options.area = {0.3, 0.2};
  CHECK_THROWS_WITH(ShapesModality(options), Contains("area"));
}

TEST_CASE("image: random crops keep their share and aspect") {
  ViewRecipe recipe;
  for (const Extent extent : {Extent{200, 100}, Extent{64, 64}, Extent{33, 190}}) {
    double smallest = 1, largest = 0;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      Rng rng = any_rng(i);
      const Box box = draw_crop(extent, recipe.crop_scale, recipe.crop_ratio, rng);
      REQUIRE((box.left >= 0 && box.top >= 0 && box.right <= extent.width && box.bottom <= extent.height));
      const double width = box.right - box.left, height = box.bottom - box.top;
      const double share = width * height / (static_cast<double>(extent.width) * extent.height);
      smallest = std::min(smallest, share);
      largest = std::max(largest, share);
      REQUIRE(width / height == Approx(1).epsilon(0.36));
    }
    CHECK(smallest == Approx(0.3).margin(0.15));
    CHECK(largest > 0.2);
  }
}

TEST_CASE("image: colour operations on known pixels") {
  Picture pixel(2, 1);
  pixel.rgb = {200, 100, 0, 10, 20, 30};
  const auto after = [&](auto operation) {
    Picture copy = pixel;
    operation(copy);
    return std::vector<int>(copy.rgb.begin(), copy.rgb.end());
  };
  using Values = std::vector<int>;
  CHECK(after([](Picture& p) { solarise(p); }) == Values{55, 100, 0, 10, 20, 30});
  CHECK(after([](Picture& p) { adjust_brightness(p, 1.5); }) == Values{255, 150, 0, 15, 30, 45});
  CHECK(after([](Picture& p) { adjust_saturation(p, 0); }) == Values{119, 119, 119, 18, 18, 18});
  CHECK(after([](Picture& p) { adjust_contrast(p, 0); }) == Values{68, 68, 68, 68, 68, 68});
  CHECK(after([](Picture& p) { adjust_hue(p, 0); }) == Values{200, 100, 0, 10, 20, 30});
  CHECK(after([](Picture& p) { adjust_hue(p, 1.0 / 3); }) == Values{0, 200, 100, 30, 10, 20});
  CHECK(after([](Picture& p) { adjust_hue(p, -1.0 / 3); }) == Values{100, 0, 200, 20, 30, 10});
  Picture flat(9, 9);
  std::fill(flat.rgb.begin(), flat.rgb.end(), std::uint8_t{77});
  Picture blurred = flat;
  blur(blurred, 1.3);
  CHECK(blurred.rgb == flat.rgb);
  Picture dot(9, 9);
  dot.row(4)[12] = 255;
  blur(dot, 1);
  CHECK(static_cast<int>(dot.row(4)[12]) == Approx(255 * 0.159).margin(2));
  CHECK(dot.row(3)[12] == dot.row(4)[9]);
}

TEST_CASE("image: EXIF orientations turn the picture upright") {
  Picture stored(2, 1);
  stored.rgb = {1, 1, 1, 2, 2, 2};
  const auto turned = [&](int orientation) {
    const Picture out = turn(stored, orientation);
    return std::vector<int>{out.width, out.height, out.rgb[0], out.rgb[3]};
  };
  using Values = std::vector<int>;
  CHECK(turned(1) == Values{2, 1, 1, 2});
  CHECK(turned(2) == Values{2, 1, 2, 1});
  CHECK(turned(3) == Values{2, 1, 2, 1});
  CHECK(turned(4) == Values{2, 1, 1, 2});
  CHECK(turned(5) == Values{1, 2, 1, 2});
  CHECK(turned(6) == Values{1, 2, 1, 2});
  CHECK(turned(7) == Values{1, 2, 2, 1});
  CHECK(turned(8) == Values{1, 2, 2, 1});
}

TEST_CASE("image: an animated WebP is told to be a film") {
  std::string text = "RIFF....WEBPVP8X....";
  text += std::string("\x02...", 4) + std::string(6, '\0');
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  CHECK_THROWS_WITH(read_header(bytes, "a.webp"), Catch::Contains("a.webp: is an animated WebP, which is a film"));
  text[20] = '\x10';
  CHECK(read_header(bytes, "a.webp").kind == FileKind::webp);
}

TEST_CASE("image: a JPEG decoded at half size gives nearly the same crop") {
  const fs::path folder = cairn::test::golden_case("frontends/image_jpeg_large");
  if (folder.empty()) return;
  std::ifstream file(folder / "input.jpg", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  const Header header = read_header(bytes, "input");
  REQUIRE(header.extent == Extent{400, 312});
  const Picture whole = decode(bytes, header, false, "input");
  const Picture half = decode_part(bytes, header, 2, {0, 0, 200, 156}, false, "input").picture;
  REQUIRE(half.extent() == Extent{200, 156});
  const Picture a = resample(whole, {40, 60, 240, 220}, {64, 64}, Interpolation::bicubic);
  const Picture b = resample(half, {20, 30, 120, 110}, {64, 64}, Interpolation::bicubic);
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  CHECK(sum / static_cast<double>(a.rgb.size()) < 3);
}

TEST_CASE("image: time of one sample", "[.][time]") {
  const auto milliseconds = [](const cairn::SampleSource& source) {
    constexpr int kSamples = 2000;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kSamples; ++i) {
      Rng rng = any_rng(static_cast<std::uint64_t>(i));
      source.load(i % source.size(), rng);
    }
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count() / kSamples;
  };
  const fs::path images = cairn::test::shared_folder() / "data/images";
  for (const auto& [set, size] : {std::pair{"photos10", 96}, std::pair{"photos10", 64}, std::pair{"scenes15", 64},
                                  std::pair{"cifar10_small", 32}}) {
    FolderModality modality(small<FolderOptions>(images / set, size));
    for (const Purpose purpose : {Purpose::pretrain, Purpose::evaluate})
      std::cout << set << " " << size << (purpose == Purpose::pretrain ? " pretrain " : " evaluate ")
                << milliseconds(*modality.open(Split::train, purpose)) << " ms\n";
  }
  for (const int size : {48, 64, 96}) {
    ShapesOptions options;
    options.size = size;
    options.patch = 8;
    for (const Purpose purpose : {Purpose::pretrain, Purpose::evaluate})
      std::cout << "shapes " << size << (purpose == Purpose::pretrain ? " pretrain " : " evaluate ")
                << milliseconds(*ShapesModality(options).open(Split::train, purpose)) << " ms\n";
  }
}

TEST_CASE("image: every recipe gives its views, sizes and roles, equal for equal generators") {
  struct Wanted {
    Recipe recipe;
    std::size_t global, local;
  };
  for (const auto& [recipe, global, local] : {Wanted{Recipe::simclr, 2, 0},
                                              {Recipe::moco_v2, 2, 0},
                                              {Recipe::moco_v3, 2, 0},
                                              {Recipe::byol, 2, 0},
                                              {Recipe::simsiam, 2, 0},
                                              {Recipe::barlow_twins, 2, 0},
                                              {Recipe::vicreg, 2, 0},
                                              {Recipe::swav, 2, 6},
                                              {Recipe::dino, 2, 8},
                                              {Recipe::lejepa, 2, 6}}) {
    ShapesOptions options;
    options.size = 56;
    options.patch = 8;
    options.recipe = recipe;
    const ShapesModality modality(options);
    const auto layouts = modality.views(Purpose::pretrain);
    REQUIRE(layouts.size() == global + local);
    Rng one = any_rng(), two = any_rng();
    const auto source = modality.open(Split::train, Purpose::pretrain);
    const Sample sample = source->load(1, one), again = source->load(1, two);
    for (std::size_t v = 0; v < layouts.size(); ++v) {
      CHECK(layouts[v].role == (v < global ? ViewRole::global : ViewRole::local));
      const std::int64_t side = v < global ? 56 : 24;
      CHECK(sample.views[v].sizes() == at::IntArrayRef({3, side, side}));
      CHECK(layouts[v].grid.count() == side * side / 64);
      CHECK(sample.views[v].equal(again.views[v]));
    }
    CHECK_FALSE(sample.views[0].equal(sample.views[1]));
  }
}

TEST_CASE("image: the asymmetric recipes blur one view and solarise the other") {
  const auto views = published_views(Recipe::byol);
  REQUIRE(views.size() == 2);
  CHECK(views[0].blur == 1.0);
  CHECK(views[0].solarise == 0.0);
  CHECK(views[1].blur == Approx(0.1));
  CHECK(views[1].solarise == Approx(0.2));
  const auto dino = published_views(Recipe::dino);
  REQUIRE(dino.size() == 3);
  CHECK(dino[2].count == 8);
  CHECK(dino[2].crop_scale == std::array{0.05, 0.4});
}

TEST_CASE("image: local views of published pictures are 96 pixels, or the next whole patches") {
  ShapesOptions options;
  options.recipe = Recipe::dino;
  options.patch = 16;
  CHECK(ShapesModality(options).views(Purpose::pretrain).back().grid.count() == 36);
  options.patch = 14;
  CHECK(ShapesModality(options).views(Purpose::pretrain).back().grid.count() == 49);
  options.local_size = 70;
  CHECK(ShapesModality(options).views(Purpose::pretrain).back().grid.count() == 25);
  options.local_size = 71;
  CHECK_THROWS_AS(ShapesModality(options), ConfigError);
}

TEST_CASE("image: views written out may differ; what would have no effect is an error") {
  ShapesOptions options;
  options.size = 48;
  options.patch = 8;
  options.view.resize(2);
  options.view[0].count = 2;
  options.view[1].size = 16;
  options.view[1].local = true;
  const auto layouts = ShapesModality(options).views(Purpose::pretrain);
  REQUIRE(layouts.size() == 3);
  CHECK(layouts[1].grid.count() == 36);
  CHECK(layouts[2].grid.count() == 4);
  CHECK(layouts[2].role == ViewRole::local);
  options.flip = 0;
  CHECK_THROWS_AS(ShapesModality(options), ConfigError);
  options.view.clear();
  options.recipe = Recipe::byol;
  CHECK_THROWS_AS(ShapesModality(options), ConfigError);
  options.flip = 0.5;
  options.views = 2;
  CHECK_THROWS_AS(ShapesModality(options), ConfigError);
}
