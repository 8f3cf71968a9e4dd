#include "video_modality.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <utility>

#include "cairn/error.h"
#include "cairn/ranges.h"
#include "footage_set.h"
#include "keyframes.h"
#include "media/colour_options.h"
#include "media/planes.h"
#include "moving_shapes.h"

namespace cairn::video {
namespace {

constexpr std::uint64_t kColourStream = 1;

/// What happens to every frame of a clip alike.
struct ClipTreatment {
  bool mirrored = false;
  media::Colouring colouring;
};

/// One clip while its frames come in.
class ClipInProgress {
 public:
  ClipInProgress(const VideoOptions& options, const ClipShape& shape, std::vector<std::int64_t> frames,
                 const ClipTreatment& treatment, Rng rng)
      : channels_(options.channels),
        frames_(std::move(frames)),
        treatment_(treatment),
        cropper_(shape, rng),
        colour_draws_(rng.fork(kColourStream)),
        area_(static_cast<std::size_t>(options.size * options.size)),
        pixels_(at::empty({options.channels, static_cast<std::int64_t>(frames_.size()), options.size, options.size},
                          at::kByte)) {}

  const std::vector<std::int64_t>& frames() const { return frames_; }
  at::Tensor pixels() const { return pixels_; }

  /// Puts frame `index` of the video wherever the clip wants it.
  void take(std::int64_t index, const Frame& frame) {
    const auto first = std::lower_bound(frames_.begin(), frames_.end(), index);
    if (first == frames_.end() || *first != index) return;
    media::Picture picture = cropper_.crop(frame);
    Rng draws = colour_draws_;
    media::colour(picture, treatment_.colouring, draws);
    auto* out = pixels_.mutable_data_ptr<std::uint8_t>();
    for (auto at = first; at != frames_.end() && *at == index; ++at)
      media::copy_planes(picture, channels_, out + static_cast<std::size_t>(at - frames_.begin()) * area_,
                         frames_.size() * area_, treatment_.mirrored);
  }

 private:
  std::int64_t channels_;
  std::vector<std::int64_t> frames_;  // ascending; the last one may come several times
  ClipTreatment treatment_;
  ClipCropper cropper_;
  Rng colour_draws_;  // the same for every frame
  std::size_t area_;
  at::Tensor pixels_;  // uint8 [C,T,H,W]
};

/// 0 to `count` - 1, those in the middle first, so that the first view is the plainest.
std::vector<std::int64_t> from_the_middle(std::int64_t count) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [count](std::int64_t a, std::int64_t b) {
    return std::abs(2 * a + 1 - count) < std::abs(2 * b + 1 - count);
  });
  return order;
}

/// Samples of a FootageSet: clips, cropped and resized.
class ClipSource : public SampleSource {
 public:
  ClipSource(std::unique_ptr<FootageSet> set, Purpose purpose, VideoOptions options)
      : set_(std::move(set)), purpose_(purpose), options_(std::move(options)) {
    shape_.size = static_cast<int>(options_.size);
    shape_.resize = static_cast<int>(purpose == Purpose::evaluate ? options_.evaluate_resize : options_.size);
    shape_.interpolation = options_.interpolation;
    if (purpose == Purpose::evaluate && options_.evaluate_whole) shape_.framing = Framing::whole;
    if (purpose == Purpose::pretrain && options_.crop_scale[0] < 1) shape_.framing = Framing::random;
    shape_.crop_scale = options_.crop_scale;
    shape_.crop_ratio = options_.crop_ratio;
    timing_ = {options_.frames, options_.frame_step, options_.fps};
  }

  std::int64_t size() const override { return set_->size(); }
  std::string name(std::int64_t index) const override { return set_->name(index); }
  std::vector<std::string> classes() const override { return set_->classes(); }
  ReadOrder read_order() const override { return set_->read_order(); }

  Sample load(std::int64_t index, Rng& rng) const override {
    const std::unique_ptr<Footage> footage = set_->open(index);
    Sample sample;
    sample.id = index;
    sample.label = set_->label(index);
    if (purpose_ == Purpose::evaluate) sample.extra = set_->facts(index);
    const std::optional<double> moment = set_->moment(index);
    try {
      sample.views = read_views(*footage, moment, rng);
    } catch (const DataError&) {
      // The draws are made anew from the true count, so that the same sample comes whether or not it is known already.
      if (!footage->recount()) throw;
      sample.views = read_views(*footage, moment, rng);
    }
    return sample;
  }

 private:
  std::vector<at::Tensor> read_views(Footage& footage, std::optional<double> moment, const Rng& rng) const {
    std::vector<ClipInProgress> clips;
    if (purpose_ == Purpose::evaluate) {
      for (const std::int64_t part : from_the_middle(options_.evaluate_clips))
        for (const std::int64_t place : from_the_middle(options_.evaluate_crops))
          clips.push_back({options_, shape_at(place), plain_frames(footage, moment, part), {}, rng});
    } else {
      for (std::int64_t v = 0; v < options_.views; ++v)
        clips.push_back(random_clip(footage, moment, v, rng.fork(static_cast<std::uint64_t>(v))));
    }
    std::vector<std::int64_t> wanted;
    for (const ClipInProgress& clip : clips) wanted.insert(wanted.end(), clip.frames().begin(), clip.frames().end());
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    footage.read(wanted, [&](std::size_t slot, const Frame& frame) {
      for (ClipInProgress& clip : clips) clip.take(wanted[slot], frame);
    });
    std::vector<at::Tensor> views;
    for (const ClipInProgress& clip : clips) views.push_back(clip.pixels());
    return views;
  }

  /// The shape of the crop number `place` of evaluate_crops along the long side.
  ClipShape shape_at(std::int64_t place) const {
    ClipShape shape = shape_;
    const std::int64_t last = options_.evaluate_crops - 1;
    if (last > 0) shape.along = static_cast<double>(place) / static_cast<double>(last);
    return shape;
  }

  std::vector<std::int64_t> plain_frames(const Footage& footage, std::optional<double> moment,
                                         std::int64_t part) const {
    if (moment) return frames_about(footage, timing_, *moment);
    const StartRange range = start_range(footage, timing_, part, options_.evaluate_clips);
    const std::int64_t start = options_.start >= 0 ? options_.start : (range.first + range.last) / 2;
    return clip_frames(footage, timing_, start, range.end);
  }

  std::vector<std::int64_t> random_frames(const Footage& footage, std::int64_t view, Rng& rng) const {
    const StartRange range = start_range(footage, timing_, view, options_.views);
    const std::int64_t start = options_.start >= 0 ? options_.start : rng.integer(range.first, range.last);
    return clip_frames(footage, timing_, start, range.end);
  }

  ClipInProgress random_clip(const Footage& footage, std::optional<double> moment, std::int64_t view, Rng rng) const {
    std::vector<std::int64_t> frames =
        moment ? frames_about(footage, timing_, *moment) : random_frames(footage, view, rng);
    const bool mirrored = options_.flip > 0 && rng.chance(options_.flip);
    return {options_, shape_, std::move(frames), {mirrored, options_}, rng};
  }

  std::unique_ptr<FootageSet> set_;
  Purpose purpose_;
  VideoOptions options_;
  ClipShape shape_;
  ClipTiming timing_;
};

/// The procedural data set: drawn when asked for, nothing is stored.
class MovingShapesSet : public FootageSet {
 public:
  MovingShapesSet(const MovingShapesOptions& options, Split split)
      : seed_(static_cast<std::uint64_t>(options.data_seed)),
        split_(split),
        count_(split == Split::train ? options.train_samples : options.test_samples),
        setting_{static_cast<int>(options.size), options.film_frames, options.speed, options.radius, options.noise} {}

  std::int64_t size() const override { return count_; }
  std::int64_t label(std::int64_t index) const override {
    return index % static_cast<std::int64_t>(motion_names().size());
  }
  std::string name(std::int64_t index) const override {
    return std::string(split_ == Split::train ? "training" : "test") + " film #" + std::to_string(index);
  }
  std::unique_ptr<Footage> open(std::int64_t index) const override {
    return draw_film(seed_, static_cast<std::uint64_t>(split_), static_cast<std::uint64_t>(index), setting_);
  }
  std::vector<std::string> classes() const override { return motion_names(); }

 private:
  std::uint64_t seed_;
  Split split_;
  std::int64_t count_;
  FilmSetting setting_;
};

const VideoOptions& checked(const VideoOptions& options) {
  require_order("crop_scale", options.crop_scale);
  require_order("crop_ratio", options.crop_ratio);
  require_order("blur_sigma", options.blur_sigma);
  if (options.channels != 1 && options.channels != 3)
    throw ConfigError("channels", "must be 1 (grey) or 3 (RGB)", "set it to 1 or 3");
  if (options.frames % options.tubelet != 0)
    throw ConfigError("tubelet",
                      "patches of " + std::to_string(options.tubelet) + " frames do not divide the " +
                          std::to_string(options.frames) + " frames of a clip",
                      "choose a number of frames that is a multiple of it");
  if (options.evaluate_resize != 0 && options.evaluate_resize < options.size)
    throw ConfigError("evaluate_resize", "is smaller than size, so that no square of that size can be cut out",
                      "set it to at least size, or leave it at 0 for size itself");
  if (!options.pictures.empty() && options.picture_share == 0)
    throw ConfigError("pictures", "come in no batch, as picture_share is 0", "set picture_share, such as to 0.5");
  return options;
}

template <class O, class B, class T>
OptionSpec& option(Schema<O>& schema, const char* name, T B::*member, std::string doc) {
  return schema.option(name, static_cast<T O::*>(member), std::move(doc));
}

template <class O, class B, class E>
OptionSpec& option(Schema<O>& schema, const char* name, E B::*member, Choices<E> choices, std::string doc) {
  return schema.option(name, static_cast<E O::*>(member), choices, std::move(doc));
}

const Choices<Interpolation> kInterpolations = {{"bilinear", Interpolation::bilinear},
                                                {"bicubic", Interpolation::bicubic}};

/// Options of every video modality.
template <class O>
void add_clip_options(Schema<O>& s) {
  option(s, "size", &O::size, "side of a view in pixels").range(1, 1 << 13);
  option(s, "patch", &O::patch, "side of a patch in pixels; must divide size").range(1, 1 << 13);
  option(s, "tubelet", &O::tubelet, "frames of a patch; must divide frames").range(1, 1 << 12);
  option(s, "channels", &O::channels, "3 for RGB, 1 for grey").range(1, 3);
  option(s, "frames", &O::frames, "frames of a clip").range(1, 1 << 12);
  option(s, "frame_step", &O::frame_step,
         "frames of the video from one frame of the clip to the next; 0: one frame all the time, to see what it tells")
      .range(0, 1 << 12);
  option(s, "fps", &O::fps, "frames of a clip a second, by time stamps, in place of frame_step; 0: frame_step counts")
      .range(0, 1000);
  option(s, "start", &O::start, "first frame of the clip; -1: random, or the middle when features are evaluated")
      .at_least(-1);
  option(s, "normalise", &O::normalise,
         Choices<Normalise>{
             {"imagenet", Normalise::imagenet}, {"none", Normalise::none}, {"standardise", Normalise::standardise}},
         "fixed mean and deviation, values in [0, 1], or each clip by its own channel means and one deviation");
  option(s, "mean", &O::mean, "subtracted from values in [0, 1], one for each channel; empty: as normalise says");
  option(s, "std", &O::std, "divides after that, one for each channel; empty: as normalise says").range(1e-6, 1e6);
  option(s, "max_bad_share", &O::max_bad_share, "share of unreadable samples that stops a run").range(0, 1);
  option(s, "views", &O::views, "clips of each video, one from each of as many equal parts of it").range(1, 64);
  option(s, "crop_scale", &O::crop_scale,
         "share of the area of a random crop, the same for all frames; [1, 1]: centre crop")
      .range(0.001, 1);
  option(s, "crop_ratio", &O::crop_ratio, "aspect of a random crop, drawn log-uniformly").range(0.01, 100);
  option(s, "interpolation", &O::interpolation, kInterpolations, "resampling filter, antialiased");
  option(s, "flip", &O::flip, "probability of a horizontal flip of the clip").range(0, 1);
  media::add_colour_options(s);
  option(
      s, "picture_share", &O::picture_share,
      "share of the batches in pretraining that are pictures, clips of one frame, as in V-JEPA 2.1; the encoder needs "
      "picture_tokenizer = true, or a tubelet of 1")
      .range(0, 0.95);
  option(s, "pictures", &O::pictures, "folder of these pictures, or a list of them; empty: single frames of the videos")
      .path();
  option(s, "evaluate_resize", &O::evaluate_resize,
         "short side before the centre crop when features are evaluated; 0: size (the usual 256 / 224 is explicit)")
      .range(0, 1 << 13);
  option(s, "evaluate_clips", &O::evaluate_clips,
         "clips of a video when features are evaluated, each from the middle of one of as many equal parts of it")
      .range(1, 64);
  option(s, "evaluate_crops", &O::evaluate_crops,
         "squares of each such clip, evenly spread over the long side; cairn probe averages over clips and crops")
      .range(1, 64);
}

/// Options of videos in files.
template <class O>
void add_file_options(Schema<O>& s) {
  option(s, "test_share", &O::test_share,
         "share of each class kept for testing (every k-th sample) where the data have no test part")
      .range(0, 0.5);
  option(s, "time_limit", &O::time_limit, "seconds after which a file that is not read counts as unreadable")
      .range(0.001, 86400);
  option(s, "decoder_threads", &O::decoder_threads, "threads of each decoder; loader workers run side by side already")
      .range(1, 64);
  option(s, "decode_cache_mb", &O::decode_cache_mb,
         "MiB of decoded frames kept in memory; small sets that fit are decoded once instead of once a clip")
      .range(0, 1 << 22);
  add_clip_options(s);
}

ReadLimits limits_of(const FileOptions& options) {
  return {options.time_limit, static_cast<int>(options.decoder_threads)};
}

std::size_t cache_bytes(const FileOptions& options, Purpose purpose) {
  // Features are evaluated on each video once.
  return purpose == Purpose::pretrain ? static_cast<std::size_t>(options.decode_cache_mb) << 20 : 0;
}

std::unique_ptr<FootageSet> footage_of(std::unique_ptr<FileSet> files, const ReadLimits& limits,
                                       std::size_t cache = 0) {
  return files ? std::make_unique<FileFootage>(std::move(*files), limits, cache) : nullptr;
}

std::unique_ptr<FootageSet> open_pictures(const std::filesystem::path& path, Split split) {
  std::error_code error;
  return footage_of(std::filesystem::is_regular_file(path, error) && !still_files().matches(path)
                        ? open_list(still_files(), path, {}, split, 0)
                        : open_folder(still_files(), path, split, 0),
                    ReadLimits{});
}

std::unique_ptr<FootageSet> open_shard_clips(const ShardsOptions& options, Split split, Purpose purpose) {
  auto shards = open_shards(video_files(), shards_of(options), split);
  if (!shards) return nullptr;
  return std::make_unique<ShardFootage>(std::move(shards), limits_of(options), cache_bytes(options, purpose));
}

std::unique_ptr<FootageSet> open_mix(const ListOptions& options, Split split, Purpose purpose) {
  std::vector<std::filesystem::path> paths = {options.path};
  paths.insert(paths.end(), options.more_paths.begin(), options.more_paths.end());
  std::vector<std::unique_ptr<FootageSet>> sets;
  std::vector<double> weights;
  auto lists = open_lists(video_files(), paths, options.test_path, split, options.test_share);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (!lists[i]) continue;
    const auto size = static_cast<double>(lists[i]->size());
    // Features are evaluated on each sample once.
    const bool weighted = !options.weights.empty() && purpose == Purpose::pretrain && lists.size() == paths.size();
    weights.push_back(weighted ? options.weights[i] : size);
    sets.push_back(footage_of(std::move(lists[i]), limits_of(options), cache_bytes(options, purpose)));
  }
  if (sets.empty()) return nullptr;
  if (sets.size() == 1) return std::move(sets.front());
  return std::make_unique<MixedFootage>(std::move(sets), weights);
}

std::unique_ptr<FootageSet> open_keyframes(const KeyframesOptions& options, Split split, Purpose purpose) {
  const KeyframePart part =
      read_part({options.path, options.test_path, options.test_share, options.excluded, options.actions}, split);
  if (part.keyframes.empty()) return nullptr;
  return std::make_unique<KeyframeFootage>(part, options.videos, options.first_second, limits_of(options),
                                           cache_bytes(options, purpose));
}

const KeyframesOptions& checked_keyframes(const KeyframesOptions& options) {
  if (options.evaluate_resize != 0)
    throw ConfigError("evaluate_resize", "would cut away what boxes lie in", "leave it out: whole frames are shown");
  if (options.start >= 0) throw ConfigError("start", "is what the table says", "leave it out");
  if (options.evaluate_clips > 1 || options.evaluate_crops > 1)
    throw ConfigError(options.evaluate_clips > 1 ? "evaluate_clips" : "evaluate_crops",
                      "asks for views beside the one that boxes lie in", "leave it at 1");
  return options;
}

VideoOptions whole_frames(VideoOptions options) {
  options.evaluate_whole = true;
  return options;
}

/// Fills rows [K,...] up to `count` with NaN.
at::Tensor fill_rows(const at::Tensor& rows, std::int64_t count) {
  return at::constant_pad_nd(rows, {0, 0, 0, count - rows.size(0)}, std::numeric_limits<double>::quiet_NaN());
}

VideoOptions video_options(const PreprocessedOptions& options) {
  if (options.resize < options.crop)
    throw ConfigError("crop", "is larger than resize, so that no square of that size can be cut out",
                      "set it to at most resize");
  VideoOptions all;
  all.size = all.patch = options.crop;
  all.frames = all.tubelet = options.frames;
  all.frame_step = options.frame_step;
  all.start = options.start;
  all.evaluate_resize = options.resize;
  all.interpolation = options.interpolation;
  all.normalise = Normalise::none;
  all.mean = options.mean;
  all.std = options.std;
  return all;
}

}  // namespace

Schema<ClipsOptions> ClipsOptions::schema() {
  Schema<ClipsOptions> s(
      "Videos, animated pictures and folders of frames in class folders, in train/ and val/ or test/, or in one "
      "folder");
  s.option("path", &ClipsOptions::path, "folder of the videos, or one video").required().path();
  add_file_options(s);
  return s;
}

Schema<ShardsOptions> ShardsOptions::schema() {
  Schema<ShardsOptions> s("Videos and animated pictures in tar files, as WebDataset lays them out");
  add_shard_options(s);
  add_file_options(s);
  return s;
}

Schema<ListOptions> ListOptions::schema() {
  Schema<ListOptions> s("Videos, pictures and folders of frames named by text files, one \"path label\" a line");
  s.option("path", &ListOptions::path, "the list").required().path();
  s.option("more_paths", &ListOptions::more_paths, "further lists, whose labels count with the first one's").path();
  s.option("weights", &ListOptions::weights,
           "how often samples of each list come in pretraining, in the order of the lists; empty: by their sizes")
      .range(1e-9, 1e9);
  s.option("test_path", &ListOptions::test_path, "the list of the test part").path();
  add_file_options(s);
  return s;
}

Schema<KeyframesOptions> KeyframesOptions::schema() {
  using O = KeyframesOptions;
  Schema<O> s(
      "Moments of films with boxes around people and what they do, in AVA's format; for cairn probe --task boxes");
  s.option("path", &O::path,
           "the table, without header: \"video_id,timestamp,left,top,right,bottom,action_id,person_id\" a line")
      .required()
      .path();
  s.option("videos", &O::videos, "folder of the videos, each named after its id").required().path();
  s.option("test_path", &O::test_path, "the table of the test part; empty: test_share of the videos").path();
  s.option("excluded", &O::excluded, "lists of moments to leave out, \"video_id,timestamp\" a line").path();
  s.option("actions", &O::actions,
           "the actions that count, as .pbtxt or \"id,name\" a line; empty: all that the tables name")
      .path();
  s.option("first_second", &O::first_second, "second of the films at which the videos begin, where they were cut")
      .range(0, 1e6);
  add_file_options(s);
  return s;
}

MovingShapesOptions::MovingShapesOptions() {
  size = 48;
  patch = 8;
  frame_step = 1;
  crop_scale = {1, 1};
  flip = 0;
}

Schema<MovingShapesOptions> MovingShapesOptions::schema() {
  using O = MovingShapesOptions;
  Schema<O> s("Procedural films of two shapes; the class is how they move, which no single frame tells");
  s.option("train_samples", &O::train_samples, "films of the training part").range(1, 1 << 30);
  s.option("test_samples", &O::test_samples, "films of the test part; 0: none").range(0, 1 << 30);
  s.option("data_seed", &O::data_seed, "which films are drawn; not the seed of the run").at_least(0);
  s.option("film_frames", &O::film_frames, "frames of a film").range(2, 1 << 12);
  s.option("speed", &O::speed, "drifts through the picture, or turns, in a film").range(0, 8);
  s.option("radius", &O::radius, "of a shape, in picture widths").range(0.01, 0.3);
  s.option("noise", &O::noise, "deviation of the noise, of full intensity").range(0, 1);
  add_clip_options(s);
  return s;
}

Schema<PreprocessedOptions> PreprocessedOptions::schema() {
  using O = PreprocessedOptions;
  Schema<O> s(
      "One video as published processors prepare it: chosen frames, resize, centre crop, normalise; no training");
  s.option("path", &O::path, "a video, an animated picture or a folder of frames").required().path();
  s.option("frames", &O::frames, "frames of the clip").range(1, 1 << 12);
  s.option("frame_step", &O::frame_step, "frames of the video from one frame of the clip to the next")
      .range(1, 1 << 12);
  s.option("start", &O::start, "first frame, counted in display order from 0").at_least(0);
  s.option("resize", &O::resize, "short side in pixels before the crop").range(1, 1 << 13);
  s.option("crop", &O::crop, "side in pixels of the square cut out of the middle").range(1, 1 << 13);
  s.option("interpolation", &O::interpolation, kInterpolations, "resampling filter, antialiased");
  s.option("mean", &O::mean, "subtracted from values in [0, 1], one for each channel; empty: 0");
  s.option("std", &O::std, "divides after that, one for each channel; empty: 1").range(1e-6, 1e6);
  s.option("time_limit", &O::time_limit, "seconds after which a file that is not read counts as unreadable")
      .range(0.001, 86400);
  return s;
}

VideoModality::VideoModality(const VideoOptions& options, Opener opener)
    : options_(checked(options)),
      opener_(std::move(opener)),
      normaliser_(options.normalise, options.mean, options.std, options.channels) {
  if (options_.evaluate_resize == 0) options_.evaluate_resize = options_.size;
  tokenizer().grid({options_.frames, options_.size, options_.size});
}

std::unique_ptr<SampleSource> VideoModality::open(Split split, Purpose purpose) const {
  auto set = opener_(split, purpose);
  if (!set) return nullptr;
  return std::make_unique<ClipSource>(std::move(set), purpose, options_);
}

TokenizerSpec VideoModality::tokenizer() const {
  return {
      options_.channels, {options_.tubelet, options_.patch, options_.patch}, {Axis::time, Axis::height, Axis::width}};
}

std::vector<ViewLayout> VideoModality::views(Purpose purpose) const {
  const ViewLayout layout = {tokenizer().grid({options_.frames, options_.size, options_.size}), ViewRole::global};
  const std::int64_t count =
      purpose == Purpose::evaluate ? options_.evaluate_clips * options_.evaluate_crops : options_.views;
  return std::vector<ViewLayout>(static_cast<std::size_t>(count), layout);
}

std::optional<Companion> VideoModality::companion() const {
  if (options_.picture_share == 0) return std::nullopt;
  VideoOptions still = options_;
  still.frames = still.tubelet = 1;
  still.picture_share = 0;
  still.pictures.clear();
  Opener opener = opener_;
  if (!options_.pictures.empty())
    opener = [path = options_.pictures](Split split, Purpose) { return open_pictures(path, split); };
  return Companion{std::make_shared<VideoModality>(still, std::move(opener)), options_.picture_share};
}

void VideoModality::prepare(Batch& batch, Purpose, Rng&) const {
  for (View& view : batch.views) view.data = normaliser_.apply(view.data);
}

at::Tensor VideoModality::display(const View& view) const {
  return options_.normalise == Normalise::standardise ? Modality::display(view) : normaliser_.restore(view.data);
}

ClipsModality::ClipsModality(const ClipsOptions& options)
    : VideoModality(options, [options](Split split, Purpose purpose) {
        return footage_of(open_folder(video_files(), options.path, split, options.test_share), limits_of(options),
                          cache_bytes(options, purpose));
      }) {}

ShardsModality::ShardsModality(const ShardsOptions& options)
    : VideoModality(options,
                    [options](Split split, Purpose purpose) { return open_shard_clips(options, split, purpose); }) {}

ListModality::ListModality(const ListOptions& options)
    : VideoModality(options, [options](Split split, Purpose purpose) { return open_mix(options, split, purpose); }) {
  const std::size_t lists = 1 + options.more_paths.size();
  if (!options.weights.empty() && options.weights.size() != lists)
    throw ConfigError(
        "weights", "has " + std::to_string(options.weights.size()) + " numbers for " + std::to_string(lists) + " lists",
        "give one number for each list, path first");
}

KeyframesModality::KeyframesModality(const KeyframesOptions& options)
    : VideoModality(whole_frames(checked_keyframes(options)),
                    [options](Split split, Purpose purpose) { return open_keyframes(options, split, purpose); }) {}

Batch KeyframesModality::collate(const std::vector<Sample>& samples, Purpose purpose) const {
  std::int64_t most = 0;
  for (const Sample& sample : samples)
    if (const auto boxes = sample.extra.find("boxes"); boxes != sample.extra.end())
      most = std::max(most, boxes->second.size(0));
  std::vector<Sample> filled = samples;
  for (Sample& sample : filled)
    for (auto& [name, rows] : sample.extra) rows = fill_rows(rows, most);
  return VideoModality::collate(filled, purpose);
}

MovingShapesModality::MovingShapesModality(const MovingShapesOptions& options)
    : VideoModality(options, [options](Split split, Purpose) -> std::unique_ptr<FootageSet> {
        if (split == Split::test && options.test_samples == 0) return nullptr;
        return std::make_unique<MovingShapesSet>(options, split);
      }) {
  require_order("speed", options.speed);
  require_order("radius", options.radius);
}

PreprocessedModality::PreprocessedModality(const PreprocessedOptions& options)
    : VideoModality(video_options(options), [path = options.path, seconds = options.time_limit](Split split, Purpose) {
        return footage_of(open_folder(video_files(), path, split, 0), ReadLimits{seconds, 1});
      }) {}

}  // namespace cairn::video
