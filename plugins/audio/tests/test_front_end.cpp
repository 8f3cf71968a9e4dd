#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <ctime>
#include <iostream>
#include <numbers>
#include <vector>

#include "augment.h"
#include "cairn/error.h"
#include "front_end.h"
#include "published.h"
#include "resample.h"
#include "support/rng.h"

using cairn::ConfigError;
using cairn::DataError;
using cairn::Rng;
using cairn::Stream;
using namespace cairn::audio;
using cairn::test::any_rng;

namespace {

/// The signal of ../shared/reference/audio-and-baselines.md, one second at 16 kHz: two tones and a chirp.
at::Tensor signal() {
  const at::Tensor t = at::arange(16000, at::kDouble) / 16000;
  const double turn = 2 * std::numbers::pi;
  const at::Tensor x = 0.5 * (turn * 440 * t).sin() + 0.25 * (turn * 1000 * t + 0.3).sin() +
                       0.1 * (turn * (200 * t + 1500 * t * t)).sin();
  return x.to(at::kFloat).unsqueeze(0);
}

at::Tensor spectrogram(const FrontEndOptions& options, const at::Tensor& waveform) {
  Rng rng = any_rng();
  return FrontEnd(options).spectrogram(waveform, rng);
}

FrontEndOptions mel_options() {
  FrontEndOptions options;
  options.frontend = FrontEndKind::mel_spectrogram;
  return options;
}

struct Point {
  std::int64_t mel, frame;
  double value;
};

void require_points(const at::Tensor& values, const std::vector<Point>& points, double margin) {
  for (const Point& point : points) {
    CAPTURE(point.mel, point.frame);
    CHECK(values[0][point.frame][point.mel].item<double>() == Approx(point.value).margin(margin));
  }
}

std::vector<float> tone(double hertz, std::int64_t rate, std::size_t size) {
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i)
    values[i] =
        static_cast<float>(std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / static_cast<double>(rate)));
  return values;
}

/// Decibels of `wanted` over its difference from `values`, without the ends.
double snr(const std::vector<float>& wanted, const std::vector<float>& values) {
  double power = 0, error = 0;
  for (std::size_t i = 200; i + 200 < wanted.size(); ++i) {
    power += static_cast<double>(wanted[i]) * wanted[i];
    error += std::pow(static_cast<double>(wanted[i]) - values[i], 2);
  }
  return 10 * std::log10(power / error);
}

}  // namespace

TEST_CASE("front end: Kaldi's filter bank as torchaudio computes it") {
  const at::Tensor values = spectrogram({}, signal() - signal().mean());
  REQUIRE(values.sizes() == at::IntArrayRef({1, 98, 128}));
  CHECK(values.mean().item<double>() == Approx(-10.79726).margin(1e-3));
  CHECK(values.std().item<double>() == Approx(6.30401).margin(1e-3));
  require_points(values,
                 {{0, 0, -11.49177},
                  {10, 0, -2.44434},
                  {31, 0, -7.86668},
                  {20, 50, -0.35819},
                  {64, 50, -0.13301},
                  {127, 97, -15.94238}},
                 2e-3);
  FrontEndOptions povey;
  povey.window = Window::povey;
  CHECK(spectrogram(povey, signal()).mean().item<double>() == Approx(-10.31127).margin(2e-3));
}

TEST_CASE("front end: mel spectrograms of M2D and BYOL-A") {
  FrontEndOptions m2d = mel_options();
  m2d.n_mels = 80, m2d.f_min = 50, m2d.f_max = 8000;
  m2d.mel_scale = MelScale::slaney, m2d.norm = MelNorm::slaney;
  const at::Tensor a = spectrogram(m2d, signal());
  REQUIRE(a.sizes() == at::IntArrayRef({1, 101, 80}));
  CHECK(a.mean().item<double>() == Approx(-12.73055).margin(1e-3));
  require_points(a, {{0, 0, 1.00275}, {10, 0, 1.82537}, {10, 50, 3.88647}, {31, 50, -15.09391}, {40, 100, -3.77322}},
                 2e-3);
  FrontEndOptions byola = mel_options();
  byola.n_fft = 1024, byola.n_mels = 64, byola.f_min = 60, byola.f_max = 7800;
  const at::Tensor b = spectrogram(byola, signal());
  CHECK(b.mean().item<double>() == Approx(-9.69629).margin(1e-3));
  require_points(b, {{0, 0, 5.31869}, {10, 0, 9.20275}, {10, 50, 9.88361}, {31, 50, 4.61981}, {40, 100, -1.40478}},
                 2e-3);
}

TEST_CASE("front end: a mel spectrogram of an odd rate and an odd transform is torchaudio's") {
  FrontEndOptions odd = mel_options();
  odd.sample_rate = 11025, odd.n_fft = 321, odd.n_mels = 40;
  const at::Tensor values = spectrogram(odd, signal());
  REQUIRE(values.sizes() == at::IntArrayRef({1, 100, 40}));
  CHECK(values.mean().item<double>() == Approx(-8.332743).margin(1e-3));
  require_points(values, {{0, 0, 4.775592}, {3, 50, -3.490774}, {9, 50, -5.419568}, {20, 60, 3.809304}}, 2e-3);
}

TEST_CASE("front end: published ones tell what lies far below the loudest band") {
  PublishedOptions options;
  options.n_mels = 128;
  const PublishedModality modality(options);
  const at::Tensor t = at::arange(8000, at::kDouble) / 16000;
  const at::Tensor tone = (0.9 * (2 * std::numbers::pi * 440 * t).sin()).to(at::kFloat);
  cairn::Batch batch;
  batch.views.push_back({tone.view({1, 1, -1}), {}, cairn::ViewRole::global});
  Rng rng = any_rng();
  modality.prepare(batch, cairn::Purpose::evaluate, rng);
  const at::Tensor values = batch.views.front().data[0];
  REQUIRE(values.sizes() == at::IntArrayRef({1, 48, 128}));
  CHECK(values.scalar_type() == at::kFloat);
  require_points(values, {{47, 28, -15.12885}, {47, 3, -15.12885}, {47, 8, -15.12885}}, 1e-4);
}

TEST_CASE("front end: filters that just touch a bin weigh it as torchaudio does") {
  FrontEndOptions narrow;
  narrow.sample_rate = 8000, narrow.n_mels = 128, narrow.frame_length_ms = 32;
  narrow.window = Window::rectangular, narrow.low_hz = 125, narrow.high_hz = 4000;
  narrow.preemphasis = 0, narrow.remove_dc_offset = false;
  at::Tensor impulse = at::zeros({1, 256});
  impulse[0][100] = 1;  // its spectrum is one everywhere, so that the weights come out
  const at::Tensor values = spectrogram(narrow, impulse);
  require_points(values, {{0, 0, -13.11856}, {3, 0, -15.94239}, {6, 0, -3.90283}, {11, 0, -1.96082}}, 1e-3);
}

TEST_CASE("front end: rows of a batch do not depend on each other") {
  FrontEndOptions options = GENERATE(FrontEndOptions(), mel_options());
  options.snip_edges = false;
  options.log = Logarithm::db;
  options.top_db = 60;
  const at::Tensor quiet = signal() * 0.01, both = at::cat({signal(), quiet});
  const at::Tensor batch = spectrogram(options, both);
  CHECK(batch[0].allclose(spectrogram(options, signal())[0], 1e-4, 1e-4));
  CHECK(batch[1].allclose(spectrogram(options, quiet)[0], 1e-4, 1e-4));
}

TEST_CASE("front end: plain loops and tensor operations agree") {
  // Double precision takes the way of the device.
  FrontEndOptions options;
  options.frontend = GENERATE(FrontEndKind::kaldi_fbank, FrontEndKind::mel_spectrogram);
  options.power = GENERATE(1.0, 2.0);
  options.remove_dc_offset = GENERATE(true, false);
  options.preemphasis = GENERATE(0.0, 0.97);
  options.frame_length_ms = 23.7, options.frame_shift_ms = 9.3, options.n_mels = 37;  // multiples of nothing
  options.n_fft = 390, options.win_length = 301, options.hop_length = 97;
  at::manual_seed(1);  // noise, as single precision cannot tell what lies far below the loudest band
  const at::Tensor x = at::cat({signal() + 0.2, signal().flip(1)}).narrow(1, 0, 9001) + 0.1 * at::randn({2, 9001});
  const at::Tensor loops = spectrogram(options, x), tensors = spectrogram(options, x.to(at::kDouble));
  CHECK(tensors.scalar_type() == at::kDouble);
  CHECK(loops.allclose(tensors.to(at::kFloat), 1e-3, 2e-3));
}

TEST_CASE("front end: a spectrogram is heard again") {
  FrontEndOptions options;
  options.frontend = GENERATE(FrontEndKind::kaldi_fbank, FrontEndKind::mel_spectrogram);
  options.log = GENERATE(Logarithm::log, Logarithm::db);
  const FrontEnd front_end(options);
  const at::Tensor plain = spectrogram(options, signal());
  const at::Tensor heard = front_end.waveform(plain[0]);
  REQUIRE(heard.dim() == 1);
  CHECK(std::abs(heard.size(0) - 16000) < 500);
  const at::Tensor again = spectrogram(options, heard.unsqueeze(0));
  // Where there is sound, it is as loud as before: within 3 dB on the mean of the loud bands.
  const std::int64_t frames = std::min(plain.size(1), again.size(1)) - 8;
  const at::Tensor a = plain[0].narrow(0, 4, frames).mean(0), b = again[0].narrow(0, 4, frames).mean(0);
  const at::Tensor loud = a.gt(a.max() - 6 / options.nepers());
  CHECK((a - b).masked_select(loud).abs().mean().item<double>() < 0.7 / options.nepers());
  options.frame_shift_ms = 40, options.hop_length = 900;
  CHECK_FALSE(FrontEnd(options).waveform(plain[0]).defined());
}

TEST_CASE("front end: frames and samples belong together") {
  FrontEndOptions options = GENERATE(FrontEndOptions(), mel_options());
  options.center = GENERATE(false, true);
  options.snip_edges = GENERATE(false, true);
  const FrontEnd front_end(options);
  for (const std::int64_t frames : {1, 2, 7, 100}) {
    const std::int64_t samples = front_end.samples(frames);
    CAPTURE(frames, samples);
    REQUIRE(front_end.frames(samples) >= frames);
    Rng rng = any_rng();
    CHECK(front_end.spectrogram(at::zeros({1, samples}), rng).size(1) == front_end.frames(samples));
  }
}

TEST_CASE("front end: digital silence and a constant are at the floor") {
  const FrontEndOptions options;
  for (const double level : {0.0, 0.7}) {
    const at::Tensor values = spectrogram(options, at::full({1, 4000}, level));
    CHECK(values.max().item<double>() == Approx(std::log(1.1920928955078125e-07)));
  }
}

TEST_CASE("front end: dither follows the generator and lifts the floor") {
  FrontEndOptions options;
  options.dither = 1e-3;
  const at::Tensor silence = at::zeros({1, 4000});
  const at::Tensor first = spectrogram(options, silence), again = spectrogram(options, silence);
  CHECK(first.equal(again));
  CHECK(first.mean().item<double>() > spectrogram({}, silence).mean().item<double>() + 3);
}

TEST_CASE("front end: what cannot be computed says so") {
  CHECK_THROWS_AS(spectrogram({}, at::zeros({1, 399})), DataError);
  CHECK_THROWS_AS(spectrogram(mel_options(), at::zeros({1, 200})), DataError);
  FrontEndOptions beyond;
  beyond.high_hz = 9000;
  CHECK_THROWS_AS(FrontEnd(beyond), ConfigError);
  FrontEndOptions crossed;
  crossed.low_hz = 7990, crossed.high_hz = -100;
  CHECK_THROWS_AS(FrontEnd(crossed), ConfigError);
  FrontEndOptions wide = mel_options();
  wide.win_length = 401;
  CHECK_THROWS_AS(FrontEnd(wide), ConfigError);
}

TEST_CASE("resample: a tone stays a tone, lengths are rounded up") {
  const Resampler resampler = GENERATE(Resampler::sinc, Resampler::soxr);
  const auto [from, to] = GENERATE(table<std::int64_t, std::int64_t>(
      {{44100, 16000}, {8000, 16000}, {48000, 16000}, {16000, 8000}, {22050, 16000}, {11025, 16000}}));
  const auto size = static_cast<std::size_t>(from);
  const std::vector<float> values = resample(tone(440, from, size), from, to, resampler);
  CAPTURE(from, to);
  REQUIRE(values.size() == static_cast<std::size_t>(to));
  CHECK(snr(tone(440, to, values.size()), values) > 40);
  CHECK(resample(std::vector<float>(7), from, to, resampler).size() ==
        static_cast<std::size_t>((7 * to + from - 1) / from));
}

TEST_CASE("resample: sinc is the formula, at every place and for odd rates") {
  const auto [from, to] = GENERATE(table<std::int64_t, std::int64_t>(
      {{44100, 16000}, {8000, 16000}, {16000, 44100}, {11127, 8000}, {3, 2}, {1, 7}, {16000, 1000}}));
  const auto size = static_cast<std::size_t>(GENERATE(1, 39, 1500));
  CAPTURE(from, to, size);
  std::vector<float> wave = tone(0.07, 1, size);
  const std::vector<float> values = resample(wave, from, to, Resampler::sinc);
  const double cutoff = 0.99 * std::min(1.0, static_cast<double>(to) / static_cast<double>(from));
  for (std::size_t o = 0; o < values.size(); o += 1 + values.size() / 50) {
    const double centre = static_cast<double>(o) * static_cast<double>(from) / static_cast<double>(to);
    double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double t = (static_cast<double>(i) - centre) * cutoff;
      if (std::abs(t) >= 6) continue;
      const double sinc = t == 0 ? 1 : std::sin(std::numbers::pi * t) / (std::numbers::pi * t);
      sum += wave[i] * cutoff * sinc * std::pow(std::cos(std::numbers::pi * t / 12), 2);
    }
    REQUIRE(values[o] == Approx(sum).margin(2e-6));
  }
}

TEST_CASE("resample: a rate that is a lie costs no memory") {
  CHECK_THROWS_AS(resample(std::vector<float>(100), 3999999, 16000, Resampler::sinc), DataError);
  CHECK(resample(std::vector<float>(1000), 3999999, 16000, Resampler::soxr).size() == 5);
}

TEST_CASE("resample: what lies above the new Nyquist frequency goes") {
  const Resampler resampler = GENERATE(Resampler::sinc, Resampler::soxr);
  const std::vector<float> values = resample(tone(15000, 44100, 44100), 44100, 16000, resampler);
  double power = 0;
  for (const float value : values) power += static_cast<double>(value) * value;
  CHECK(power / static_cast<double>(values.size()) < 1e-3);
  CHECK(resample(std::vector<float>{1, 2, 3}, 8000, 8000, resampler) == std::vector<float>{1, 2, 3});
  CHECK(resample(std::vector<float>{}, 8000, 16000, resampler).empty());
}

TEST_CASE("augment: defaults change nothing, masks and crops keep the shape") {
  Rng rng = any_rng();
  const at::Tensor values = at::rand({40, 24});
  CHECK(augment_spectrogram(values, {}, rng).equal(values));
  ViewRecipe recipe;
  recipe.time_mask = 10, recipe.frequency_mask = 8;
  bool masked = false;
  for (int i = 0; i < 20; ++i) {
    const at::Tensor out = augment_spectrogram(values, recipe, rng);
    const at::Tensor changed = out != values;
    masked |= changed.any().item<bool>();
    CHECK(changed.all(1).sum().item<std::int64_t>() <= 10);
    CHECK(changed.all(0).sum().item<std::int64_t>() <= 8);
  }
  CHECK(masked);
  recipe.crop_time = recipe.crop_frequency = {0.6, 1.5};
  CHECK(augment_spectrogram(values, recipe, rng).sizes() == values.sizes());
}

TEST_CASE("augment: a whole crop of a clip's own size finds the clip") {
  Rng rng = any_rng();
  ViewRecipe recipe;
  recipe.crop_time = {1.5, 1.5};  // the whole canvas: the clip in the middle, its mean around it
  const at::Tensor out = augment_spectrogram(at::ones({30, 8}).cumsum(0), recipe, rng);
  CHECK(out[0].allclose(at::full({8}, 15.5), 1e-3, 1e-3));
  CHECK(out[15].mean().item<double>() == Approx(16).margin(1));
}

TEST_CASE("augment: peak and root mean square are brought to a level; silence stays") {
  std::vector<float> values = tone(440, 8000, 8000), silence(10);
  level_waveform(values, Loudness::rms, -20);
  CHECK(values[5] == Approx(0.1 * std::sqrt(2.0) * tone(440, 8000, 8000)[5]).epsilon(1e-3));
  level_waveform(values, Loudness::peak, -6.0206);
  CHECK(*std::max_element(values.begin(), values.end()) == Approx(0.5).epsilon(1e-3));
  const std::vector<float> before = values;
  level_waveform(values, Loudness::none, 0);
  CHECK(values == before);
  level_waveform(silence, Loudness::rms, -20);
  CHECK(silence == std::vector<float>(10));
}

TEST_CASE("augment: waveforms are rotated, changed in level and made noisy as asked") {
  const std::vector<float> plain = tone(440, 8000, 800);
  Rng rng = any_rng();
  ViewRecipe recipe;
  std::vector<float> values = plain;
  augment_waveform(values, recipe, rng);
  CHECK(values == plain);
  recipe.gain_db = {-6.0206, -6.0206};
  augment_waveform(values, recipe, rng);
  CHECK(values[5] == Approx(plain[5] / 2).epsilon(1e-3));
  recipe = {};
  recipe.time_shift = 1;
  values = plain;
  augment_waveform(values, recipe, rng);
  CHECK(values != plain);
  CHECK(std::is_permutation(values.begin(), values.end(), plain.begin()));
  recipe = {};
  recipe.noise = 1, recipe.noise_snr_db = {20, 20};
  values = std::vector<float>(20000, 0.5F);
  augment_waveform(values, recipe, rng);
  double power = 0;
  for (const float value : values) power += std::pow(static_cast<double>(value) - 0.5, 2) / 20000;
  CHECK(power == Approx(0.25 / 100).epsilon(0.1));
}

TEST_CASE("augment: mixing adds energies, not logarithms") {
  Rng rng = any_rng();
  const at::Tensor energies = at::rand({6, 1, 4, 4}) + 0.1;
  const at::Tensor mixed = mix_rows(energies.log(), 0.5, 1, rng).exp();
  // Each row lies between itself and another row, at least half itself.
  CHECK((mixed >= energies * 0.5 - 1e-5).all().item<bool>());
  CHECK_FALSE(mixed.allclose(energies));
  CHECK(mixed.sum().item<double>() == Approx(energies.sum().item<double>()).epsilon(0.3));
  CHECK(mix_rows(energies, 0, 0, rng).allclose(energies));
}

TEST_CASE("front end: processor time of ten seconds at 44.1 kHz", "[.bench]") {
  const std::vector<float> wave = tone(440, 44100, 441000);
  const FrontEnd front_end((FrontEndOptions()));
  Rng rng = any_rng();
  for (const Resampler resampler : {Resampler::sinc, Resampler::soxr}) {
    std::array<double, 2> best = {1e9, 1e9};
    for (int i = 0; i < 20; ++i) {
      const std::clock_t start = std::clock();
      const at::Tensor x = at::tensor(resample(wave, 44100, 16000, resampler), at::kFloat).unsqueeze(0);
      const std::clock_t middle = std::clock();
      front_end.spectrogram(x, rng);
      best[0] = std::min(best[0], 1e3 * static_cast<double>(middle - start) / CLOCKS_PER_SEC);
      best[1] = std::min(best[1], 1e3 * static_cast<double>(std::clock() - middle) / CLOCKS_PER_SEC);
    }
    std::cout << (resampler == Resampler::sinc ? "sinc" : "soxr") << ": resampling " << best[0] << " ms, filter bank "
              << best[1] << " ms\n";
  }
}

TEST_CASE("constants are copied once for each device and type that asks for them") {
  const cairn::media::OnDevice constants(at::tensor({0.1F, 0.2F}));
  CHECK(constants.as(at::kFloat).is_same(constants.values()));
  const at::Tensor copy = constants.as(at::kDouble);
  CHECK(copy.equal(constants.values().to(at::kDouble)));
  CHECK(constants.as(at::kDouble).is_same(copy));
  CHECK(constants.as(at::kFloat).is_same(constants.values()));
}
