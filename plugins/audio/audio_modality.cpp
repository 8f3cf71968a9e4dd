#include "audio_modality.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "audio_schema.h"
#include "cairn/error.h"
#include "cairn/ranges.h"

namespace cairn::audio {
namespace {

constexpr std::int64_t kMargin = 64;  // samples behind an excerpt

/// Waveforms of one length, cut or filled as the options say.
std::vector<float> fitted(std::vector<float> waveform, std::size_t size, Fit fit, std::size_t least) {
  if (waveform.size() > size && fit != Fit::stretch) waveform.resize(size);
  if (fit == Fit::repeat)
    for (std::size_t i = 0; waveform.size() < size; ++i) waveform.push_back(waveform[i]);
  const std::size_t wanted = fit == Fit::silence ? size : least;
  if (waveform.size() < wanted) waveform.resize(wanted);
  return waveform;
}

/// A spectrogram [frames,mels] with exactly `size` frames.
at::Tensor with_frames(const at::Tensor& spectrogram, std::int64_t size, Fit fit) {
  const std::int64_t frames = spectrogram.size(0);
  if (frames == size) return spectrogram;
  if (fit == Fit::stretch)
    return at::_upsample_bilinear2d_aa(spectrogram.unsqueeze(0).unsqueeze(0), {size, spectrogram.size(1)}, false)[0][0];
  if (frames > size) return spectrogram.narrow(0, 0, size);
  return at::constant_pad_nd(spectrogram, {0, 0, 0, size - frames});
}

/// Samples of a SoundSet, as waveforms [1,T] or spectrograms [1,frames,mels].
class AudioSource : public SampleSource {
 public:
  AudioSource(std::unique_ptr<SoundSet> set, Purpose purpose, const AudioOptions& options, const FrontEnd& front_end)
      : set_(std::move(set)), purpose_(purpose), options_(options), front_end_(front_end) {}

  std::int64_t size() const override { return set_->size(); }
  std::string name(std::int64_t index) const override { return set_->name(index); }
  std::vector<std::string> classes() const override { return set_->classes(); }
  ReadOrder read_order() const override { return set_->read_order(); }

  Sample load(std::int64_t index, Rng& rng) const override {
    Sample sample;
    sample.id = index;
    sample.label = set_->label(index);
    if (set_->is_multi_label()) {
      at::Tensor labels = at::zeros({static_cast<std::int64_t>(set_->classes().size())});
      for (const std::int64_t label : set_->all_labels(index)) labels[label] = 1;
      sample.extra["labels"] = labels;
    }
    const std::vector<float> waveform = excerpt(index, rng);
    const bool pretrain = purpose_ == Purpose::pretrain;
    for (std::int64_t v = 0; v < (pretrain ? options_.views : 1); ++v) {
      Rng draws = rng.fork(static_cast<std::uint64_t>(v));
      sample.views.push_back(view(waveform, draws));
    }
    return sample;
  }

 private:
  std::vector<float> excerpt(std::int64_t index, Rng& rng) const {
    const std::int64_t wanted = front_end_.samples(options_.size);
    Excerpt excerpt;
    // Some samples more than needed, so that resampling knows what comes behind the last one.
    if (options_.fit != Fit::stretch)
      excerpt.seconds = static_cast<double>(wanted + kMargin) / static_cast<double>(options_.sample_rate);
    excerpt.place = purpose_ == Purpose::pretrain ? rng.uniform() : options_.evaluate_place;
    const Sound sound = set_->fetch(index, excerpt);
    std::vector<float> waveform = resample(sound.samples, sound.rate, options_.sample_rate, options_.resampler);
    level_waveform(waveform, options_.loudness, options_.loudness_db);
    return fitted(std::move(waveform), static_cast<std::size_t>(wanted), options_.fit,
                  static_cast<std::size_t>(front_end_.samples(1)));
  }

  at::Tensor view(std::vector<float> waveform, Rng& rng) const {
    const ViewRecipe recipe = options_.recipe();
    const bool pretrain = purpose_ == Purpose::pretrain;
    if (pretrain) augment_waveform(waveform, recipe, rng);
    const at::Tensor samples = at::tensor(waveform, at::kFloat).unsqueeze(0);
    if (options_.compute == Compute::device) return samples;
    at::Tensor spectrogram = with_frames(front_end_.spectrogram(samples, rng).squeeze(0), options_.size, options_.fit);
    if (pretrain) spectrogram = augment_spectrogram(spectrogram, recipe, rng);
    return spectrogram.unsqueeze(0);
  }

  std::unique_ptr<SoundSet> set_;
  Purpose purpose_;
  const AudioOptions& options_;  // of the modality, which outlives its sources
  const FrontEnd& front_end_;
};

/// The procedural data set: played when asked for, nothing is stored.
class TonesSet : public SoundSet {
 public:
  TonesSet(const TonesOptions& options, Split split, double seconds)
      : seed_(static_cast<std::uint64_t>(options.data_seed)),
        split_(split),
        count_(split == Split::train ? options.train_samples : options.test_samples),
        rate_(options.sample_rate),
        seconds_(seconds),
        difficulty_{options.snr_db[0], options.snr_db[1], options.octaves, options.clicks} {}

  std::int64_t size() const override { return count_; }
  std::int64_t label(std::int64_t index) const override {
    return index % static_cast<std::int64_t>(tone_names().size());
  }
  std::string name(std::int64_t index) const override {
    return std::string(split_ == Split::train ? "training" : "test") + " tone #" + std::to_string(index);
  }
  Sound fetch(std::int64_t index, const Excerpt&) const override {
    return play_tone(seed_, static_cast<std::uint64_t>(split_), static_cast<std::uint64_t>(index), rate_, seconds_,
                     difficulty_);
  }
  const std::vector<std::string>& classes() const override { return tone_names(); }

 private:
  std::uint64_t seed_;
  Split split_;
  std::int64_t count_;
  std::int64_t rate_;
  double seconds_;
  TonesDifficulty difficulty_;
};

void check(const AudioOptions& options) {
  require_order("gain_db", options.gain_db);
  require_order("noise_snr_db", options.noise_snr_db);
  require_order("crop_time", options.crop_time);
  require_order("crop_frequency", options.crop_frequency);
  if (options.compute == Compute::device && options.fit != Fit::silence && options.fit != Fit::repeat)
    throw ConfigError("fit", "makes clips of unequal length, which the device cannot take as one batch",
                      R"(choose "silence" or "repeat", or compute = "loader")");
  if (!options.statistics.empty() && options.normalise != Normalise::measured)
    throw ConfigError("statistics", "is for normalise = \"measured\"", "remove it or choose that normalise");
  const bool has_values = options.mean != 0 || options.std != 1;
  if (has_values && options.normalise != Normalise::fixed)
    throw ConfigError(options.mean != 0 ? "mean" : "std", "is for normalise = \"fixed\"",
                      "remove it or choose that normalise");
}

/// The entry of Batch::extra with mean and deviation of every row of a view before it was standardised, [B,2].
std::string level_name(std::int64_t view) { return "level_" + std::to_string(view); }

/// Options of every audio modality that say how recordings are read and shown.
template <class O>
void add_view_options(Schema<O>& s) {
  option(s, "frontend", &O::frontend,
         Choices<FrontEndKind>{{"kaldi_fbank", FrontEndKind::kaldi_fbank},
                               {"mel_spectrogram", FrontEndKind::mel_spectrogram}},
         "Kaldi's log filter bank, or torchaudio's and librosa's mel spectrogram");
  option(s, "size", &O::size, "frames of a view").range(1, 1 << 20);
  add_front_end_options(s);
  option(s, "patch", &O::patch, "frames and mel bands of a patch; must divide size and n_mels").range(1, 1 << 14);
  option(s, "max_bad_share", &O::max_bad_share, "share of unreadable samples that stops a run").range(0, 1);
  option(s, "resampler", &O::resampler, Choices<Resampler>{{"sinc", Resampler::sinc}, {"soxr", Resampler::soxr}},
         "torchaudio's filter, or libsoxr's high quality");
  option(s, "loudness", &O::loudness,
         Choices<Loudness>{{"none", Loudness::none}, {"peak", Loudness::peak}, {"rms", Loudness::rms}},
         "bring every excerpt to the same peak or root mean square, or leave its level");
  option(s, "loudness_db", &O::loudness_db, "that level in decibels of full scale").range(-120, 20);
  option(
      s, "fit", &O::fit,
      Choices<Fit>{{"silence", Fit::silence}, {"zero", Fit::zero}, {"repeat", Fit::repeat}, {"stretch", Fit::stretch}},
      "short clips get silence behind them, zeros behind their spectrogram (AST), or repeat; stretch brings the "
      "spectrogram of the whole clip to size");
  option(s, "evaluate_place", &O::evaluate_place,
         "where the excerpt of a long clip lies when features are evaluated: 0 is the start, 0.5 the middle")
      .range(0, 1);
  option(s, "compute", &O::compute, Choices<Compute>{{"loader", Compute::loader}, {"device", Compute::device}},
         "who computes spectrograms: the loader's threads, or the device, batch by batch");
  option(s, "normalise", &O::normalise,
         Choices<Normalise>{{"standardise", Normalise::standardise},
                            {"measured", Normalise::measured},
                            {"fixed", Normalise::fixed},
                            {"none", Normalise::none}},
         "each clip by its own mean and deviation, all by those measured on the training part, or by mean and std");
  option(s, "mean", &O::mean, "normalise = \"fixed\": subtracted from spectrograms").range(-1e6, 1e6);
  option(s, "std", &O::std, "normalise = \"fixed\": divides after that (AST and AudioMAE give twice the deviation)")
      .range(1e-6, 1e6);
  option(s, "statistics_clips", &O::statistics_clips, "training clips that normalise = \"measured\" looks at")
      .range(1, 1 << 20);
  option(s, "statistics", &O::statistics,
         "file that normalise = \"measured\" reads, or writes where it is missing; empty: every run measures")
      .path();
}

/// Options of every audio modality that reads files.
template <class O>
void add_file_options(Schema<O>& s) {
  option(s, "channel", &O::channel, "channel counted from 0; -1: the mean of all").range(-1, 1023);
  option(s, "raw", &O::raw, "coding of files without a header that end in .raw or .pcm; empty: they are left out")
      .choices({"", "pcm_s8", "pcm_u8", "pcm_16", "pcm_24", "pcm_32", "float", "double", "ulaw", "alaw"});
  option(s, "raw_rate", &O::raw_rate, "samples a second of such files").range(1, 1 << 22);
  option(s, "raw_channels", &O::raw_channels, "channels of such files").range(1, 1024);
}

/// Options of every audio modality that say how views are drawn for pretraining.
template <class O>
void add_augment_options(Schema<O>& s) {
  option(s, "views", &O::views, "views of each clip: one excerpt, varied independently").range(1, 64);
  option(s, "gain_db", &O::gain_db, "level change in decibels").range(-100, 100);
  option(s, "noise", &O::noise, "probability that white noise is added").range(0, 1);
  option(s, "noise_snr_db", &O::noise_snr_db, "its signal-to-noise ratio in decibels").range(-100, 200);
  option(s, "time_shift", &O::time_shift, "probability that the excerpt is rotated in time").range(0, 1);
  option(s, "mixup", &O::mixup, "highest share of another clip of the batch (BYOL-A: 0.4)").range(0, 0.99);
  option(s, "crop_time", &O::crop_time, "length of a random crop in lengths of the view, resized; [1, 1]: none")
      .range(0.01, 1.5);
  option(s, "crop_frequency", &O::crop_frequency, "height of the crop in heights of the view; above 1 counts as 1")
      .range(0.01, 10);
  option(s, "time_mask", &O::time_mask, "widest masked stretch in frames (SpecAugment)").range(0, 1 << 20);
  option(s, "frequency_mask", &O::frequency_mask, "widest masked stretch in mel bands").range(0, 1024);
}

template <class O>
void add_share_option(Schema<O>& s) {
  option(s, "test_share", &O::test_share,
         "share of each class kept for testing (every k-th sample) where the data have no test part")
      .range(0, 0.5);
}

}  // namespace

ViewRecipe AudioOptions::recipe() const {
  return {gain_db, noise, noise_snr_db, time_shift, crop_time, crop_frequency, time_mask, frequency_mask};
}

TonesOptions::TonesOptions() {
  frontend = FrontEndKind::mel_spectrogram;
  sample_rate = 8000;
  n_mels = 48;
  n_fft = 256;
  win_length = 200;
  hop_length = 80;
  f_min = 50;
  log_offset = 1e-5;
  size = 96;
  patch = {12, 8};
}

Schema<ClipsOptions> ClipsOptions::schema() {
  Schema<ClipsOptions> s("Recordings in class folders, flat folders, by name, or laid out as ESC-50, Speech Commands");
  s.option("path", &ClipsOptions::path, "folder of the recordings, or one recording").required().path();
  s.option("pattern", &ClipsOptions::pattern, R"(fields of file names, such as "{label}_{speaker}_{index}.wav")");
  s.option("test_field", &ClipsOptions::test_field, "field of the pattern that says what is for testing");
  s.option("test_values", &ClipsOptions::test_values, "its values there; for ESC-50 the test folds, [] means 5");
  add_share_option(s);
  add_file_options(s);
  add_view_options(s);
  add_augment_options(s);
  return s;
}

Schema<ListOptions> ListOptions::schema() {
  Schema<ListOptions> s("Recordings named by a text file: one \"path label\" a line, or AudioSet's segments");
  s.option("path", &ListOptions::path, "the list").required().path();
  s.option("test_path", &ListOptions::test_path, "the list of the test part").path();
  s.option("format", &ListOptions::format, {{"plain", ListFormat::plain}, {"segments", ListFormat::segments}},
           "plain: \"path label\"; segments: id, start, end, \"class,class\" as AudioSet has it");
  s.option("folder", &ListOptions::folder, "segments: where the clips are, named by their id").path();
  s.option("class_path", &ListOptions::class_path, "segments: class_labels_indices.csv; else the classes found").path();
  add_share_option(s);
  add_file_options(s);
  add_view_options(s);
  add_augment_options(s);
  return s;
}

Schema<ShardsOptions> ShardsOptions::schema() {
  Schema<ShardsOptions> s("Recordings in tar files, as WebDataset lays them out");
  add_shard_options(s);
  add_share_option(s);
  add_file_options(s);
  add_view_options(s);
  add_augment_options(s);
  return s;
}

Schema<TonesOptions> TonesOptions::schema() {
  using O = TonesOptions;
  Schema<O> s("Procedural tones: timbre, direction and rhythm are classes; pitch, level, place and noise tell nothing");
  s.option("train_samples", &O::train_samples, "samples of the training part").range(1, 1 << 30);
  s.option("test_samples", &O::test_samples, "samples of the test part; 0: none").range(0, 1 << 30);
  s.option("data_seed", &O::data_seed, "which tones are played; not the seed of the run").at_least(0);
  s.option("snr_db", &O::snr_db, "signal-to-noise ratio in decibels").range(-40, 100);
  s.option("octaves", &O::octaves, "range of the pitch").range(0, 4);
  s.option("clicks", &O::clicks, "most clicks in a clip").range(0, 1000);
  add_view_options(s);
  add_augment_options(s);
  return s;
}

AudioModality::AudioModality(const AudioOptions& options, Opener opener)
    : options_(options), opener_(std::move(opener)), front_end_(options) {
  check(options_);
  tokenizer().grid({options_.size, options_.n_mels});
}

std::unique_ptr<SampleSource> AudioModality::open(Split split, Purpose purpose) const {
  auto set = opener_(split);
  if (!set) return nullptr;
  return std::make_unique<AudioSource>(std::move(set), purpose, options_, front_end_);
}

TokenizerSpec AudioModality::tokenizer() const {
  return {1, {options_.patch[0], options_.patch[1]}, {Axis::time, Axis::frequency}};
}

std::vector<ViewLayout> AudioModality::views(Purpose purpose) const {
  const auto count = static_cast<std::size_t>(purpose == Purpose::pretrain ? options_.views : 1);
  return std::vector<ViewLayout>(count, {tokenizer().grid({options_.size, options_.n_mels}), ViewRole::global});
}

void AudioModality::prepare(Batch& batch, Purpose purpose, Rng& rng) const {
  const bool pretrain = purpose == Purpose::pretrain;
  for (View& view : batch.views) {
    if (options_.compute == Compute::device) {
      view.data = front_end_.spectrogram(view.data.squeeze(1), rng).narrow(1, 0, options_.size).unsqueeze(1);
      for (std::int64_t row = 0; pretrain && row < view.data.size(0); ++row)
        view.data[row][0].copy_(augment_spectrogram(view.data[row][0], options_.recipe(), rng));
    }
    if (pretrain && options_.mixup > 0) view.data = mix_rows(view.data, options_.mixup, options_.nepers(), rng);
    const auto [offset, scale] = normalisation(view.data);
    view.data = (view.data - offset) / scale;
    if (options_.normalise == Normalise::standardise)
      batch.extra[level_name(&view - batch.views.data())] = at::stack({offset.flatten(), scale.flatten()}, 1);
  }
}

std::array<at::Tensor, 2> AudioModality::normalisation(const at::Tensor& spectrograms) const {
  const auto both = [&](double offset, double scale) {
    return std::array{at::full({}, offset, spectrograms.options()), at::full({}, scale, spectrograms.options())};
  };
  switch (options_.normalise) {
    case Normalise::standardise: {
      const at::Tensor mean = spectrograms.mean({1, 2, 3}, true);
      // Digital silence must not be blown up to noise.
      return {mean, (spectrograms - mean).square().mean({1, 2, 3}, true).sqrt_().clamp_min_(1e-3)};
    }
    case Normalise::measured:
      return both(statistics().mean, statistics().std);
    case Normalise::fixed:
      return both(options_.mean, options_.std);
    default:
      return both(0, 1);
  }
}

std::optional<std::filesystem::path> AudioModality::render(const Batch& batch, int view, std::int64_t row,
                                                           const std::filesystem::path& stem) const {
  at::Tensor values = batch.views.at(static_cast<std::size_t>(view)).data[row][0];  // [frames,mels]
  if (const auto level = batch.extra.find(level_name(view)); level != batch.extra.end()) {
    values = values * level->second[row][1] + level->second[row][0];
  } else {
    const auto [offset, scale] = normalisation(values.unsqueeze(0).unsqueeze(0));
    values = values * scale + offset;
  }
  const at::Tensor heard = front_end_.waveform(values);
  if (!heard.defined()) return std::nullopt;
  const at::Tensor samples = heard.contiguous();
  const auto* begin = samples.const_data_ptr<float>();
  std::filesystem::path path = stem;
  path += ".wav";
  write_sound(path, {{begin, begin + samples.numel()}, options_.sample_rate});
  return path;
}

const Statistics& AudioModality::statistics() const {
  std::call_once(measured_, [this] {
    const std::filesystem::path file = options_.statistics;
    const std::optional<Statistics> known = file.empty() ? std::nullopt : read_statistics(file);
    statistics_ = known ? *known : measure();
    if (!known && !file.empty()) write_statistics(file, statistics_);
  });
  return statistics_;
}

Statistics AudioModality::measure() const {
  auto set = opener_(Split::train);
  if (!set) throw DataError("there is no training part to measure mean and deviation on");
  AudioOptions plain = options_;
  plain.compute = Compute::loader;
  const std::int64_t size = set->size(), clips = std::min(size, plain.statistics_clips);
  const AudioSource source(std::move(set), Purpose::evaluate, plain, front_end_);
  Statistics found;
  double sum = 0, squares = 0, count = 0;
  for (std::int64_t i = 0; i < clips; ++i) {
    Rng rng(0, Stream::user, 0, static_cast<std::uint64_t>(i));
    try {
      const at::Tensor values = source.load(i * size / clips, rng).views[0].to(at::kDouble);
      sum += values.sum().item<double>();
      squares += values.square().sum().item<double>();
      count += static_cast<double>(values.numel());
      ++found.samples;
    } catch (const DataError&) {
      continue;  // the loader counts and names it
    }
  }
  if (count == 0) throw DataError("none of the clips looked at can be read", source.name(0));
  found.mean = sum / count;
  found.std = std::sqrt(std::max(1e-6, squares / count - found.mean * found.mean));
  return found;
}

ClipsModality::ClipsModality(const ClipsOptions& options)
    : AudioModality(options, [options](Split split) {
        const ClipRules rules{options.pattern, options.test_field, options.test_values, options.test_share};
        return open_clips(options.path, rules, options.reading(), split);
      }) {
  if (options.pattern.empty() && !options.test_field.empty())
    throw ConfigError("test_field", "names a field, but there is no pattern", "set modality.pattern");
}

ListModality::ListModality(const ListOptions& options)
    : AudioModality(options, [options](Split split) {
        if (options.format == ListFormat::segments)
          return open_segments(options.path, options.test_path, options.folder, options.class_path, options.reading(),
                               split);
        return open_sound_list(options.path, options.test_path, options.test_share, options.reading(), split);
      }) {
  if (options.format == ListFormat::segments && options.folder.empty())
    throw ConfigError("folder", "is needed with format = \"segments\"", "name the folder of the clips");
}

ShardsModality::ShardsModality(const ShardsOptions& options)
    : AudioModality(
          options, [options](Split split) { return open_sound_shards(shards_of(options), options.reading(), split); }) {
}

TonesModality::TonesModality(const TonesOptions& options)
    : AudioModality(options, [options, end = FrontEnd(options)](Split split) -> std::unique_ptr<SoundSet> {
        if (split == Split::test && options.test_samples == 0) return nullptr;
        const double seconds =
            static_cast<double>(end.samples(options.size)) / static_cast<double>(options.sample_rate);
        return std::make_unique<TonesSet>(options, split, seconds);
      }) {
  require_order("snr_db", options.snr_db);
}

}  // namespace cairn::audio
