#include <ATen/ATen.h>
#include <sndfile.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iostream>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <sstream>

#include "audio_modality.h"
#include "cairn/error.h"
#include "support/golden.h"
#include "support/rng.h"
#include "support/tar.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using cairn::Batch;
using cairn::ConfigError;
using cairn::DataError;
using cairn::Purpose;
using cairn::Rng;
using cairn::Split;
using cairn::Stream;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using namespace cairn::audio;
using cairn::test::any_rng;
using Catch::Contains;

namespace {

/// Writes float samples, channels interleaved, in libsndfile's format.
void write_sound(const fs::path& path, const std::vector<float>& values, int rate = 8000, int channels = 1,
                 int format = SF_FORMAT_WAV | SF_FORMAT_FLOAT) {
  fs::create_directories(path.parent_path());
  SF_INFO info = {};
  info.samplerate = rate, info.channels = channels, info.format = format;
  const std::unique_ptr<SNDFILE, int (*)(SNDFILE*)> file(sf_open(path.c_str(), SFM_WRITE, &info), sf_close);
  REQUIRE(file);
  sf_writef_float(file.get(), values.data(), static_cast<sf_count_t>(values.size()) / channels);
}

std::vector<float> ramp(std::size_t size) {
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<float>(i) / static_cast<float>(size);
  return values;
}

/// A modality of half-second views.
ClipsOptions small(const fs::path& path) {
  ClipsOptions options;
  options.path = path.string();
  options.sample_rate = 8000;
  options.n_mels = 16;
  options.size = 48;
  options.patch = {8, 8};
  return options;
}

at::Tensor evaluated(const cairn::Modality& modality, std::int64_t index = 0) {
  const auto source = modality.open(Split::train, Purpose::evaluate);
  Rng rng = any_rng();
  Batch batch = modality.collate({source->load(index, rng)}, Purpose::evaluate);
  modality.prepare(batch, Purpose::evaluate, rng);
  return batch.views[0].data[0];
}

std::vector<std::string> names(const cairn::Modality& modality, Split split) {
  const auto source = modality.open(split, Purpose::evaluate);
  std::vector<std::string> out;
  for (std::int64_t i = 0; source && i < source->size(); ++i) out.push_back(fs::path(source->name(i)).filename());
  return out;
}

using Names = std::vector<std::string>;

std::uint32_t big_endian(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8U | static_cast<std::uint8_t>(bytes.at(at + i));
  return value;
}

/// An MP4 file whose index, its last box, stands before the samples, as in files that are streamed.
std::string index_first(const std::string& file) {
  std::string index = file.substr(file.rfind("moov") - 4);
  const std::size_t table = index.find("stco"), samples = file.find("mdat") - 4;
  REQUIRE(table != std::string::npos);
  for (std::size_t i = 0, at = table + 12; i < big_endian(index, table + 8); ++i, at += 4) {
    const std::uint32_t offset = big_endian(index, at) + static_cast<std::uint32_t>(index.size());
    for (std::size_t byte = 0; byte < 4; ++byte) index[at + byte] = static_cast<char>(offset >> (24 - 8 * byte));
  }
  return file.substr(0, samples) + index + file.substr(samples, file.size() - index.size() - samples);
}

}  // namespace

TEST_CASE("sound: bytes in memory are heard as the file is") {
  const fs::path zoo = cairn::test::shared_folder() / "data/zoo/audio";
  if (!fs::exists(zoo)) {
    std::cerr << "skipped: there is no " << zoo << "\n";
    return;
  }
  int sound = 0;
  for (const auto& entry : fs::directory_iterator(zoo)) {
    const auto heard = [](const Recording& recording) -> std::optional<Sound> {
      try {
        return read_sound(recording, {}, {0.5, 0.5});
      } catch (const DataError&) {
        return std::nullopt;
      }
    };
    if (!entry.is_regular_file()) continue;
    const std::string text = cairn::test::read_text(entry.path());
    const auto file = heard({entry.path()});
    const auto memory = heard({entry.path().filename(), std::vector<std::uint8_t>(text.begin(), text.end())});
    INFO(entry.path());
    REQUIRE(file.has_value() == memory.has_value());
    if (!file) continue;
    ++sound;
    CHECK(file->rate == memory->rate);
    CHECK(file->samples == memory->samples);
  }
  CHECK(sound > 3);
}

TEST_CASE("sound: a track that ends early is refused where more of it is asked for") {
  const fs::path file = cairn::test::shared_folder() / "data/zoo/audio/pydub_format_test.m4a";
  if (!fs::exists(file)) {
    std::cerr << "skipped: there is no " << file << "\n";
    return;
  }
  const Sound whole = read_sound(file, {}, {});
  const std::string moved = index_first(cairn::test::read_text(file));
  const auto heard = [&](std::size_t bytes, double seconds) {
    return read_sound(
        {"m.m4a", std::vector<std::uint8_t>(moved.begin(), moved.begin() + static_cast<std::ptrdiff_t>(bytes))}, {},
        {seconds, 0});
  };
  CHECK(heard(moved.size(), 0).samples == whole.samples);
  CHECK(heard(moved.size() - 100, 0).samples.size() + 2 * whole.rate > whole.samples.size());  // the last packet alone
  CHECK_THROWS_WITH(heard(moved.size() / 2, 0), Contains("is damaged after") && Contains("of "));
  CHECK(heard(moved.size() / 2, 1).samples.size() == static_cast<std::size_t>(whole.rate));
}

TEST_CASE("audio: recordings in tar files are those of a folder") {
  const TemporaryFolder folder;
  std::string shard;
  for (const char* name : {"high/1.wav", "high/2.wav", "low/3.wav"}) {
    write_sound(folder / ("clips/" + std::string(name)), ramp(name[0] == 'h' ? 6000 : 9000));
    shard += cairn::test::tar_member(name, cairn::test::read_text(folder / ("clips/" + std::string(name))));
  }
  write_text(folder / "clips.tar", shard + cairn::test::kTarEnd);
  ShardsOptions options;
  static_cast<AudioOptions&>(options) = small("");
  options.path = (folder / "clips.tar").string();
  const auto files = ClipsModality(small(folder / "clips")).open(Split::train, Purpose::evaluate);
  const ShardsModality modality(options);
  const auto shards = modality.open(Split::train, Purpose::evaluate);
  REQUIRE(shards->size() == 3);
  CHECK(shards->classes() == files->classes());
  for (std::int64_t i = 0; i < 3; ++i) {
    Rng one = any_rng(), other = any_rng();
    const auto a = files->load(i, one), b = shards->load(i, other);
    CHECK(a.label == b.label);
    CHECK(at::equal(a.views[0], b.views[0]));
  }
}

TEST_CASE("audio: every file of the zoo is a clip or a clear error") {
  const fs::path zoo = cairn::test::shared_folder() / "data/zoo/audio";
  if (!fs::exists(zoo)) {
    std::cerr << "skipped: no zoo at " << zoo << "\n";
    return;
  }
  std::ifstream manifest(zoo / "MANIFEST.tsv");
  std::string line;
  std::getline(manifest, line);
  int read = 0;
  while (std::getline(manifest, line)) {
    std::istringstream fields(line);
    std::string name, size, status, seen;
    std::getline(fields, name, '\t') && std::getline(fields, size, '\t') && std::getline(fields, status, '\t') &&
        std::getline(fields, seen, '\t');
    const ClipsModality modality(small(zoo / name));
    CAPTURE(line);
    try {
      const at::Tensor view = evaluated(modality);
      CHECK(view.sizes() == at::IntArrayRef({1, 48, 16}));
      CHECK(at::isfinite(view).all().item<bool>());
      CHECK(status != "empty");
      ++read;
    } catch (const DataError& error) {
      CHECK(status != "ok");
      CHECK(std::string(error.what()).find(name) != std::string::npos);
    }
  }
  CHECK(read >= 37);
}

TEST_CASE("audio: rates, channels and codings are read alike") {
  TemporaryFolder folder;
  const std::vector<float> values = ramp(400);
  const auto [name, format] = GENERATE(table<const char*, int>({{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
                                                                {"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24},
                                                                {"a.wav", SF_FORMAT_RF64 | SF_FORMAT_PCM_32},
                                                                {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
                                                                {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
                                                                {"a.caf", SF_FORMAT_CAF | SF_FORMAT_FLOAT},
                                                                {"a.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW}}));
  write_sound(folder / name, values, 11025, 1, format);
  const Sound sound = read_sound(folder / name, {}, {});
  REQUIRE(sound.rate == 11025);
  REQUIRE(sound.samples.size() == 400);
  for (std::size_t i = 0; i < 400; ++i) REQUIRE(sound.samples[i] == Approx(values[i]).margin(0.03));
}

TEST_CASE("audio: channels are mixed or chosen") {
  TemporaryFolder folder;
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.insert(values.end(), {0.2F, 0.4F, -0.9F});
  write_sound(folder / "a.wav", values, 8000, 3);
  CHECK(read_sound(folder / "a.wav", {}, {}).samples[7] == Approx(-0.1));
  CHECK(read_sound(folder / "a.wav", {2, {}}, {}).samples[7] == Approx(-0.9));
  CHECK_THROWS_WITH(read_sound(folder / "a.wav", {3, {}}, {}), Contains("3 channels") && Contains("a.wav"));
}

TEST_CASE("audio: excerpts come from where they are asked for") {
  TemporaryFolder folder;
  write_sound(folder / "a.wav", ramp(8000));
  const auto first = [&](double place) { return read_sound(folder / "a.wav", {}, {0.25, place}).samples.at(0); };
  CHECK(first(0) == 0.0F);
  CHECK(first(0.5) == Approx(0.375).margin(1e-3));
  CHECK(first(1) == Approx(0.75).margin(1e-3));
  CHECK(read_sound(folder / "a.wav", {}, {0.25, 1}).samples.size() == 2000);
  CHECK(read_sound(folder / "a.wav", {}, {5, 0.5}).samples.size() == 8000);
}

TEST_CASE("audio: raw samples are read as told, and left out otherwise") {
  TemporaryFolder folder;
  write_text(folder / "a.raw", std::string("\x00\x40\x00\xC0", 4));
  ClipsOptions options = small(folder.path());
  CHECK_THROWS_WITH(ClipsModality(options).open(Split::train, Purpose::evaluate), Contains("no audio files"));
  const Sound sound = read_sound(folder / "a.raw", {-1, {"pcm_16", 8000, 1}}, {});
  REQUIRE(sound.samples.size() == 2);
  CHECK(sound.samples[0] == Approx(0.5));
  CHECK(sound.samples[1] == Approx(-0.5));
  options.raw = "pcm_16";
  CHECK(ClipsModality(options).open(Split::train, Purpose::evaluate)->size() == 1);
}

TEST_CASE("audio: values that are no sound are refused with their number") {
  TemporaryFolder folder;
  std::vector<float> values = ramp(100);
  values[3] = std::numeric_limits<float>::quiet_NaN();
  values[4] = std::numeric_limits<float>::infinity();
  values[5] = 1e30F;
  write_sound(folder / "a.wav", values);
  CHECK_THROWS_WITH(read_sound(folder / "a.wav", {}, {}), Contains("3 samples that are no sound"));
  CHECK_THROWS_AS(read_sound(folder / "b.wav", {}, {}), DataError);
  CHECK_THROWS_AS(read_sound(folder.path(), {}, {}), DataError);
  write_text(folder / "c.wav", "");
  CHECK_THROWS_WITH(read_sound(folder / "c.wav", {}, {}), Contains("is empty"));
  write_text(folder / "d.wav", "no sound at all");
  CHECK_THROWS_WITH(read_sound(folder / "d.wav", {}, {}), Contains("libsndfile") && Contains("FFmpeg"));
}

TEST_CASE("audio: short clips are filled as asked") {
  TemporaryFolder folder;
  std::vector<float> values(2000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i) * 0.4F);
  write_sound(folder / "a.wav", values);
  ClipsOptions options = small(folder.path());
  options.normalise = Normalise::none;
  const auto view = [&](Fit fit) {
    options.fit = fit;
    return evaluated(ClipsModality(options))[0];
  };
  const double floor = std::log(1.1920928955078125e-07);
  const at::Tensor silence = view(Fit::silence), zero = view(Fit::zero), repeat = view(Fit::repeat),
                   stretch = view(Fit::stretch);
  CHECK(silence[47].mean().item<double>() == Approx(floor));
  CHECK(zero[47].abs().max().item<double>() == 0.0);
  CHECK(zero[0].equal(silence[0]));
  CHECK(repeat[47].mean().item<double>() > floor + 3);
  CHECK(stretch[47].mean().item<double>() == Approx(stretch[0].mean().item<double>()).margin(2));
}

TEST_CASE("audio: one sample is a clip under every fit") {
  TemporaryFolder folder;
  write_sound(folder / "a.wav", {0.5F});
  ClipsOptions options = small(folder.path());
  options.fit = GENERATE(Fit::silence, Fit::zero, Fit::repeat, Fit::stretch);
  CHECK(at::isfinite(evaluated(ClipsModality(options))).all().item<bool>());
}

TEST_CASE("audio: file names give classes and parts") {
  TemporaryFolder folder;
  for (const char* name : {"7_jackson_0", "7_jackson_1", "3_theo_0", "3_theo_1", "3_jackson_2", "notes"})
    write_sound(folder / (std::string(name) + ".wav"), ramp(100));
  ClipsOptions options = small(folder.path());
  options.pattern = "{label}_{speaker}_{index}.wav";
  options.test_field = "speaker";
  options.test_values = {"theo"};
  const ClipsModality modality(options);
  CHECK(names(modality, Split::train) == Names{"3_jackson_2.wav", "7_jackson_0.wav", "7_jackson_1.wav"});
  CHECK(names(modality, Split::test) == Names{"3_theo_0.wav", "3_theo_1.wav"});
  const auto source = modality.open(Split::train, Purpose::evaluate);
  CHECK(source->classes() == Names{"3", "7"});
  Rng rng = any_rng();
  CHECK(source->load(1, rng).label == 1);
  options.test_field = "sex";
  CHECK_THROWS_WITH(ClipsModality(options).open(Split::train, Purpose::evaluate), Contains("no field 'sex'"));
  options.test_field = "", options.pattern = "{label}-{take}";
  CHECK_THROWS_WITH(ClipsModality(options).open(Split::train, Purpose::evaluate), Contains("no name fits"));
  options.pattern = "label";
  CHECK_THROWS_WITH(ClipsModality(options).open(Split::train, Purpose::evaluate), Contains("no field in braces"));
  options.pattern = "", options.test_field = "index";
  CHECK_THROWS_AS(ClipsModality(options), ConfigError);
}

TEST_CASE("audio: folds in file names below class folders") {
  TemporaryFolder folder;
  for (const char* name : {"rain/1-17-A", "rain/2-18-A", "dog (big)/2-3-B", "dog (big)/3-4-B"})
    write_sound(folder / (std::string(name) + ".wav"), ramp(100));
  ClipsOptions options = small(folder.path());
  options.pattern = "{fold}-{source}-{take}";
  options.test_field = "fold";
  options.test_values = {"3", "5"};
  const ClipsModality modality(options);
  CHECK(names(modality, Split::test) == Names{"3-4-B.wav"});
  CHECK(names(modality, Split::train).size() == 3);
  CHECK(modality.open(Split::test, Purpose::evaluate)->classes() == Names{"dog (big)", "rain"});
}

TEST_CASE("audio: ESC-50's layout") {
  TemporaryFolder folder;
  fs::create_directories(folder / "meta");
  write_text(folder / "meta/esc50.csv",
             "filename,fold,target,category,esc10,src_file,take\r\n1-a.wav,1,0,dog,True,1,A\r\n5-b.wav,5,1,\"cat\","
             "False,2,A\r\n");
  write_sound(folder / "audio/1-a.wav", ramp(100));
  write_sound(folder / "audio/5-b.wav", ramp(100));
  ClipsOptions options = small(folder.path());
  CHECK(names(ClipsModality(options), Split::train) == Names{"1-a.wav"});
  CHECK(names(ClipsModality(options), Split::test) == Names{"5-b.wav"});
  options.test_values = {"1"};
  const ClipsModality other(options);
  CHECK(names(other, Split::test) == Names{"1-a.wav"});
  CHECK(other.open(Split::train, Purpose::evaluate)->classes() == Names{"cat", "dog"});
}

TEST_CASE("audio: Speech Commands' layout") {
  TemporaryFolder folder;
  for (const char* name : {"yes/a", "yes/b", "no/a", "no/c", "_background_noise_/hum"})
    write_sound(folder / (std::string(name) + ".wav"), ramp(100));
  write_text(folder / "testing_list.txt", "yes/b.wav\n");
  write_text(folder / "validation_list.txt", "no/c.wav\n");
  const ClipsModality modality(small(folder.path()));
  CHECK(names(modality, Split::train) == Names{"a.wav", "a.wav"});
  CHECK(names(modality, Split::test) == Names{"b.wav"});
  CHECK(modality.open(Split::test, Purpose::evaluate)->classes() == Names{"no", "yes"});
}

TEST_CASE("audio: AudioSet's segments have several classes") {
  TemporaryFolder folder;
  write_sound(folder / "clips/Y-4gq.wav", ramp(100));
  write_sound(folder / "clips/abc.wav", ramp(100));
  write_text(
      folder / "train.csv",
      "# Segments csv\n# YTID, start_seconds, end_seconds, positive_labels\n"
      "-4gq, 0.000, 10.000, \"/m/09x0r,/t/dd00088\"\nabc, 30.000, 40.000, \"/m/09x0r\"\ngone, 0, 10, \"/m/0\"\n");
  ListOptions options;
  static_cast<AudioOptions&>(options) = small("");
  options.path = (folder / "train.csv").string();
  options.folder = (folder / "clips").string();
  options.format = ListFormat::segments;
  const ListModality modality(options);
  const auto source = modality.open(Split::train, Purpose::pretrain);
  REQUIRE(source->size() == 2);
  CHECK(source->classes() == Names{"/m/0", "/m/09x0r", "/t/dd00088"});
  Rng rng = any_rng();
  const cairn::Sample both = source->load(0, rng);
  CHECK(both.label == -1);
  CHECK(both.extra.at("labels").equal(at::tensor({0.0F, 1.0F, 1.0F})));
  CHECK(source->load(1, rng).label == 1);
  CHECK(modality.open(Split::test, Purpose::evaluate) == nullptr);
  options.folder = "";
  CHECK_THROWS_AS(ListModality(options), ConfigError);
}

TEST_CASE("audio: lists and class folders are read as pictures are") {
  TemporaryFolder folder;
  for (const char* name : {"train/a/1", "train/b/2", "val/a/3"})
    write_sound(folder / (std::string(name) + ".wav"), ramp(100));
  const ClipsModality modality(small(folder.path()));
  CHECK(names(modality, Split::train) == Names{"1.wav", "2.wav"});
  CHECK(names(modality, Split::test) == Names{"3.wav"});
  write_text(folder / "list.txt", "train/a/1.wav\tyes\ntrain/b/2.wav no\n");
  ListOptions options;
  static_cast<AudioOptions&>(options) = small("");
  options.path = (folder / "list.txt").string();
  CHECK(ListModality(options).open(Split::train, Purpose::evaluate)->classes() == Names{"no", "yes"});
}

TEST_CASE("audio: loading is a function of the generator; views differ when varied") {
  TonesOptions options;
  options.views = 2;
  options.gain_db = {-20, 20};
  options.normalise = Normalise::none;
  const TonesModality modality(options);
  const auto source = modality.open(Split::train, Purpose::pretrain);
  Rng first = any_rng(), again = any_rng();
  const auto a = source->load(5, first), b = source->load(5, again);
  CHECK(a.views[0].equal(b.views[0]));
  CHECK_FALSE(a.views[0].equal(a.views[1]));
  CHECK(a.label == 5);
  CHECK(modality.views(Purpose::pretrain).size() == 2);
  CHECK(modality.views(Purpose::evaluate).size() == 1);
  CHECK(modality.views(Purpose::evaluate)[0].grid.text() == "8 x 6");
}

TEST_CASE("audio: tones are of their class whatever is drawn, and parts differ") {
  const TonesDifficulty difficulty;
  const Sound a = play_tone(0, 0, 13, 8000, 1, difficulty), again = play_tone(0, 0, 13, 8000, 1, difficulty);
  CHECK(a.samples == again.samples);
  CHECK(a.samples != play_tone(0, 1, 13, 8000, 1, difficulty).samples);
  CHECK(a.samples != play_tone(1, 0, 13, 8000, 1, difficulty).samples);
  CHECK(tone_names().size() == 12);
  for (std::uint64_t i = 0; i < 24; ++i)
    for (const float value : play_tone(0, 0, i, 8000, 1, difficulty).samples) REQUIRE(std::abs(value) < 10);
}

TEST_CASE("audio: normalisation") {
  TonesOptions options;
  options.train_samples = 24;
  const auto view = [&](Normalise normalise) {
    options.normalise = normalise;
    return evaluated(TonesModality(options), 3);
  };
  const at::Tensor plain = view(Normalise::none), own = view(Normalise::standardise), all = view(Normalise::measured);
  CHECK(own.mean().item<double>() == Approx(0).margin(1e-4));
  CHECK(own.std().item<double>() == Approx(1).margin(1e-3));
  // Measured values are an affine image of the plain ones, the same for every clip.
  CHECK((plain.max() - plain.min()).item<double>() > 1.5 * (all.max() - all.min()).item<double>());
  options.mean = -4, options.std = 2;
  CHECK(view(Normalise::fixed).allclose((plain + 4) / 2));
  CHECK_THROWS_AS(view(Normalise::none), ConfigError);
}

TEST_CASE("audio: measured statistics are kept in a file, and read from it") {
  TemporaryFolder folder;
  TonesOptions options;
  options.train_samples = 24;
  options.normalise = Normalise::measured;
  const at::Tensor measured = evaluated(TonesModality(options), 3);
  options.statistics = (folder / "kept/statistics.json").string();
  CHECK(evaluated(TonesModality(options), 3).equal(measured));
  const auto kept = read_statistics(options.statistics);
  REQUIRE(kept);
  CHECK(kept->samples == 24);
  options.train_samples = 12;  // would give others
  CHECK(evaluated(TonesModality(options), 3).equal(measured));
  write_text(options.statistics, R"({"samples": 8, "mean": [-4.0], "std": [2.0]})");
  TonesOptions fixed = options;
  fixed.statistics = "", fixed.normalise = Normalise::fixed, fixed.mean = -4, fixed.std = 2;
  CHECK(evaluated(TonesModality(options), 3).equal(evaluated(TonesModality(fixed), 3)));
  for (const char* wrong : {"", "{}", "[1, 2]", R"({"samples": 8, "mean": [1, 2, 3], "std": [1, 2, 3]})",
                            R"({"samples": 8, "mean": [1], "std": [0]})"}) {
    write_text(options.statistics, wrong);
    CHECK_THROWS_WITH(evaluated(TonesModality(options), 3), Contains("statistics.json"));
  }
  const fs::path kept_in = folder / "kept";
  fs::remove(kept_in / "statistics.json");
  fs::create_directory(kept_in / "statistics.json.draft");  // nobody's name for a draft is another's
  write_statistics(kept_in / "statistics.json", {1, 2, 3});
  CHECK(read_statistics(kept_in / "statistics.json"));
  fs::create_directory(kept_in / "folder.json");
  CHECK_THROWS_WITH(write_statistics(kept_in / "folder.json", {1, 2, 3}), Contains("cannot be written"));
  CHECK(std::distance(fs::directory_iterator(kept_in), fs::directory_iterator()) == 3);  // no draft is left
  options.normalise = Normalise::none;
  CHECK_THROWS_AS(TonesModality(options), ConfigError);
}

TEST_CASE("audio: a view is written as it sounds, at its own level") {
  TemporaryFolder folder;
  TonesOptions options;
  options.normalise = GENERATE(Normalise::standardise, Normalise::fixed, Normalise::none);
  if (options.normalise == Normalise::fixed) options.mean = -4, options.std = 2;
  const TonesModality modality(options);
  const auto source = modality.open(Split::train, Purpose::evaluate);
  Rng rng = any_rng();
  Batch batch = modality.collate({source->load(1, rng), source->load(4, rng)}, Purpose::evaluate);
  modality.prepare(batch, Purpose::evaluate, rng);
  for (std::int64_t row = 0; row < 2; ++row) {
    const auto path = modality.render(batch, 0, row, folder / "tone");
    REQUIRE(path == folder / "tone.wav");
    const Sound heard = read_sound(*path, {}, {});
    CHECK(heard.rate == 8000);
    const Sound played = play_tone(0, 0, row == 0 ? 1 : 4, 8000, 0.97, {});
    const auto level = [](const std::vector<float>& values) {
      return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0) /
                       static_cast<double>(values.size()));
    };
    CHECK(level(heard.samples) == Approx(level(played.samples)).epsilon(0.4));
  }
}

TEST_CASE("audio: the device computes what the loader computes") {
  TonesOptions options;
  const at::Tensor loader = evaluated(TonesModality(options), 2);
  options.compute = Compute::device;
  CHECK(evaluated(TonesModality(options), 2).allclose(loader, 1e-4, 1e-4));
  options.fit = Fit::stretch;
  CHECK_THROWS_AS(TonesModality(options), ConfigError);
}
