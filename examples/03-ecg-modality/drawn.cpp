// Data that needs no file: every beat is a sum of five bells (the waves P, Q, R, S and T). What belongs to the sample
// follows from the data's seed and its number; only the excerpt is drawn from the generator that load() is handed.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "ecg_modality.h"

namespace cairn::ecg {
namespace {

constexpr double kRate = 128;  // samples a second
constexpr std::int64_t kNormal = 0, kWide = 1, kFibrillation = 2, kInvertedT = 3, kKinds = 4;

struct Bell {
  double time, width, height;  // seconds from the R wave, seconds, millivolts
};
constexpr std::array<Bell, 5> kBeat = {
    {{-0.18, 0.022, 0.15}, {-0.035, 0.009, -0.12}, {0, 0.011, 1.0}, {0.035, 0.010, -0.2}, {0.28, 0.05, 0.3}}};

Bell bell_of(std::int64_t kind, std::size_t wave) {
  Bell bell = kBeat[wave];
  const bool is_p = wave == 0, is_t = wave == 4;
  if (kind == kWide && !is_p && !is_t) bell.width *= 2.5, bell.time *= 2;
  if (kind == kFibrillation && is_p) bell.height = 0;
  if (kind == kInvertedT && is_t) bell.height = -bell.height;
  return bell;
}

class DrawnSource : public SampleSource {
 public:
  DrawnSource(const DrawnOptions& options, Split split, Purpose purpose)
      : options_(options), split_(split), purpose_(purpose) {}

  std::int64_t size() const override { return split_ == Split::train ? options_.train_samples : options_.test_samples; }
  std::string name(std::int64_t index) const override { return "drawn #" + std::to_string(index); }
  std::vector<std::string> classes() const override { return {"normal", "wide QRS", "fibrillation", "inverted T"}; }

  Sample load(std::int64_t index, Rng& rng) const override {
    Sample sample;
    sample.id = index;
    sample.label = index % kKinds;
    const bool is_plain = purpose_ == Purpose::evaluate;
    for (std::int64_t view = 0; view < (is_plain ? 1 : options_.views); ++view) {
      Rng own(static_cast<std::uint64_t>(options_.data_seed), Stream::user, static_cast<std::uint64_t>(split_),
              static_cast<std::uint64_t>(index));
      sample.views.push_back(draw(sample.label, is_plain ? 0.0 : rng.uniform(), own, is_plain ? own : rng));
    }
    return sample;
  }

 private:
  /// An excerpt [leads,length] that begins `start` seconds into the recording of `own`; noise is of the excerpt.
  at::Tensor draw(std::int64_t kind, double start, Rng& own, Rng& noise) const {
    at::Tensor excerpt = at::zeros({options_.leads, options_.length});
    auto values = excerpt.accessor<float, 2>();
    const double pulse = own.uniform(0.6, 1.0), end = start + static_cast<double>(options_.length) / kRate;
    for (double beat = -own.uniform(0, pulse); beat < end + 1;
         beat += pulse * (kind == kFibrillation ? own.uniform(0.6, 1.5) : own.uniform(0.97, 1.03)))
      for (std::size_t wave = 0; wave < kBeat.size(); ++wave) add(values, bell_of(kind, wave), beat - start);
    for (std::int64_t i = 0; i < excerpt.numel(); ++i)
      excerpt.mutable_data_ptr<float>()[i] += static_cast<float>(options_.noise * noise.normal());
    return excerpt;
  }

  void add(at::TensorAccessor<float, 2>& values, const Bell& bell, double beat) const {
    const double centre = (beat + bell.time) * kRate, width = bell.width * kRate;
    const auto first = static_cast<std::int64_t>(std::max(0.0, centre - 4 * width));
    const auto last = std::min(options_.length, static_cast<std::int64_t>(std::max(0.0, centre + 4 * width)) + 1);
    for (std::int64_t lead = 0; lead < options_.leads; ++lead)
      for (std::int64_t i = first; i < last; ++i) {
        const double far = (static_cast<double>(i) - centre) / width;
        values[lead][i] +=
            static_cast<float>(bell.height / (1.0 + 0.5 * static_cast<double>(lead)) * std::exp(-0.5 * far * far));
      }
  }

  DrawnOptions options_;
  Split split_;
  Purpose purpose_;
};

}  // namespace

Schema<DrawnOptions> DrawnOptions::schema() {
  using O = DrawnOptions;
  Schema<O> s("Drawn heartbeats of four kinds");
  CutOptions::describe(s);
  s.option("train_samples", &O::train_samples, "recordings of the training part").at_least(1);
  s.option("test_samples", &O::test_samples, "recordings of the test part").at_least(1);
  s.option("noise", &O::noise, "deviation of the noise on every value, in millivolts").range(0, 10);
  s.option("data_seed", &O::data_seed, "another number draws other recordings").at_least(0);
  return s;
}

std::unique_ptr<SampleSource> Drawn::open(Split split, Purpose purpose) const {
  return std::make_unique<DrawnSource>(options_, split, purpose);
}

}  // namespace cairn::ecg
