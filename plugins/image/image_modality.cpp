#include "image_modality.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "cairn/error.h"
#include "cairn/ranges.h"
#include "media/crop.h"
#include "media/planes.h"
#include "subject.h"

namespace cairn::image {
namespace {

/// The smallest rectangle that holds both.
media::Window joined(const media::Window& a, const media::Window& b) {
  const int left = std::min(a.left, b.left), top = std::min(a.top, b.top);
  return {left, top, std::max(a.left + a.width, b.left + b.width) - left,
          std::max(a.top + a.height, b.top + b.height) - top};
}

Box scaled(const Box& box, Extent from, Extent to) {
  const double x = static_cast<double>(to.width) / from.width, y = static_cast<double>(to.height) / from.height;
  return {box.left * x, box.top * y, box.right * x, box.bottom * y};
}

/// uint8 [C,H,W].
at::Tensor to_tensor(const Picture& picture, std::int64_t channels) {
  at::Tensor tensor = at::empty({channels, picture.height, picture.width}, at::kByte);
  media::copy_planes(picture, channels, tensor.mutable_data_ptr<std::uint8_t>(), picture.rgb.size() / 3);
  return tensor;
}

/// Samples of an ImageSet, transformed.
class ImageSource : public SampleSource {
 public:
  ImageSource(std::unique_ptr<ImageSet> set, Purpose purpose, ImageOptions options, std::vector<ViewRecipe> recipes)
      : set_(std::move(set)),
        purpose_(purpose),
        options_(std::move(options)),
        recipes_(std::move(recipes)),
        cache_(cache_bytes(options_, purpose)) {}

  std::int64_t size() const override { return set_->size(); }
  std::string name(std::int64_t index) const override { return set_->name(index); }
  std::vector<std::string> classes() const override { return set_->classes(); }
  ReadOrder read_order() const override { return set_->read_order(); }

  Sample load(std::int64_t index, Rng& rng) const override {
    Sample sample;
    sample.id = index;
    sample.label = set_->label(index);
    Subject subject(*set_, index, options_.exif, cache_);
    for (const Picture& view : purpose_ == Purpose::pretrain ? draw_views(subject, rng) : plain_view(subject))
      sample.views.push_back(to_tensor(view, options_.channels));
    return sample;
  }

 private:
  /// For features: the whole picture made square, or the middle of it with the short side at evaluate_resize.
  media::Resampler plain_resampler(Extent extent) const {
    const int size = static_cast<int>(options_.size), resize = static_cast<int>(options_.evaluate_resize);
    if (!options_.squeeze && !options_.floor_crop)
      return media::crop_resampler(extent, resize, size, options_.interpolation);
    const std::int64_t side = std::min(extent.width, extent.height);
    const auto scaled = [&](int length) {
      return options_.squeeze ? size : static_cast<int>(std::int64_t{resize} * length / side);
    };
    const Extent target = {scaled(extent.width), scaled(extent.height)};
    const Box whole = {0, 0, static_cast<double>(extent.width), static_cast<double>(extent.height)};
    const media::Window middle = {(target.width - size) / 2, (target.height - size) / 2, size, size};
    return {extent, whole, target, middle, options_.interpolation};
  }

  std::vector<Picture> plain_view(Subject& subject) const {
    const media::Resampler resampler = plain_resampler(subject.extent());
    return {resampler.apply(subject.pixels(1, resampler.area()))};
  }

  std::vector<Picture> draw_views(Subject& subject, Rng& rng) const {
    // All crops are drawn before decoding: they decide at which size, and how much of it, a JPEG must be decoded.
    const Extent whole = subject.extent();
    std::vector<Rng> draws;
    std::vector<Box> boxes;
    double reduction = 8;
    for (std::size_t v = 0; v < recipes_.size(); ++v) {
      draws.push_back(rng.fork(v));
      boxes.push_back(draw_box(whole, recipes_[v], draws[v]));
      const double side = std::min(boxes[v].right - boxes[v].left, boxes[v].bottom - boxes[v].top);
      reduction = std::min(reduction, side / recipes_[v].size);
    }
    const int shrink = subject.shrink(reduction);
    std::vector<media::Resampler> resamplers;
    for (std::size_t v = 0; v < recipes_.size(); ++v)
      resamplers.push_back(resampler(recipes_[v], boxes[v], whole, subject.extent(shrink), draws[v]));
    media::Window area = resamplers.front().area();
    for (const media::Resampler& each : resamplers) area = joined(area, each.area());
    const media::Part& part = subject.pixels(shrink, area);
    std::vector<Picture> views;
    for (std::size_t v = 0; v < recipes_.size(); ++v) {
      views.push_back(resamplers[v].apply(part));
      media::colour(views.back(), recipes_[v], draws[v]);
    }
    return views;
  }

  static Box draw_box(Extent picture, const ViewRecipe& recipe, Rng& rng) {
    if (recipe.crops()) return media::draw_crop(picture, recipe.crop_scale, recipe.crop_ratio, rng);
    return {0, 0, static_cast<double>(picture.width), static_cast<double>(picture.height)};
  }

  /// Cuts `box` of a picture of `whole` out of the same picture at the size `actual`, mirrored or not.
  static media::Resampler resampler(const ViewRecipe& recipe, const Box& box, Extent whole, Extent actual, Rng& rng) {
    media::Resampler made = recipe.crops()
                                ? media::Resampler(actual, scaled(box, whole, actual), {recipe.size, recipe.size},
                                                   {0, 0, recipe.size, recipe.size}, recipe.interpolation)
                                : media::crop_resampler(actual, recipe.size, recipe.size, recipe.interpolation);
    if (recipe.flip > 0 && rng.chance(recipe.flip)) made.mirror();
    return made;
  }

  static std::size_t cache_bytes(const ImageOptions& options, Purpose purpose) {
    // Features are evaluated on each picture once.
    return purpose == Purpose::pretrain ? static_cast<std::size_t>(options.decode_cache_mb) << 20 : 0;
  }

  std::unique_ptr<ImageSet> set_;
  Purpose purpose_;
  ImageOptions options_;
  std::vector<ViewRecipe> recipes_;
  mutable PictureCache cache_;
};

/// The procedural data set: drawn when asked for, nothing is stored.
class ShapesSet : public ImageSet {
 public:
  ShapesSet(const ShapesOptions& options, Split split)
      : seed_(static_cast<std::uint64_t>(options.data_seed)),
        split_(split),
        count_(split == Split::train ? options.train_samples : options.test_samples),
        size_(static_cast<int>(options.size)),
        difficulty_(options.difficulty()) {}

  std::int64_t size() const override { return count_; }
  std::int64_t label(std::int64_t index) const override { return index % 8; }
  std::string name(std::int64_t index) const override {
    return std::string(split_ == Split::train ? "training" : "test") + " shape #" + std::to_string(index);
  }
  Content fetch(std::int64_t index) const override {
    return draw_shape(seed_, static_cast<std::uint64_t>(split_), static_cast<std::uint64_t>(index), size_, difficulty_);
  }
  const std::vector<std::string>& classes() const override { return shape_names(); }

 private:
  std::uint64_t seed_;
  Split split_;
  std::int64_t count_;
  int size_;
  ShapesDifficulty difficulty_;
};

void check(const ImageOptions& options) {
  require_order("crop_scale", options.crop_scale);
  require_order("crop_ratio", options.crop_ratio);
  require_order("blur_sigma", options.blur_sigma);
  const bool is_plain = static_cast<const Augmentation&>(options) == Augmentation{} && options.views == 1;
  if (options.recipe != Recipe::none && !(is_plain && options.view.empty()))
    throw ConfigError("recipe", "has the views of its authors, and other options say how views are drawn",
                      "remove those, or write the views as [[modality.view]] without a recipe");
  if (!options.view.empty() && !is_plain)
    throw ConfigError("view", "says how views are drawn, and other options do so too",
                      "move views, crop_scale, flip, jitter and the like into [[modality.view]]");
  if (options.channels != 1 && options.channels != 3)
    throw ConfigError("channels", "must be 1 (grey) or 3 (RGB)", "set it to 1 or 3");
  if (options.evaluate_resize != 0 && options.evaluate_resize < options.size)
    throw ConfigError("evaluate_resize", "is smaller than size, so that no square of that size can be cut out",
                      "set it to at least size, or leave it at 0 for size itself");
}

/// The published side of local views is 96 of 224; 98 where patches of 14 make it up.
std::int64_t local_size(const ImageOptions& options) {
  if (options.local_size > 0) return options.local_size;
  const double patches = 3.0 / 7 * static_cast<double>(options.size) / static_cast<double>(options.patch);
  return options.patch * std::max<std::int64_t>(1, std::llround(patches));
}

/// What each view of pretraining is drawn by.
std::vector<ViewRecipe> view_recipes(const ImageOptions& options) {
  std::vector<ViewOptions> views = options.view;
  if (views.empty()) views = published_views(options.recipe);
  if (views.empty()) {
    views.emplace_back();
    static_cast<Augmentation&>(views.front()) = options;
    views.front().count = options.views;
  }
  std::vector<ViewRecipe> recipes;
  for (const ViewOptions& view : views) {
    require_order("view.crop_scale", view.crop_scale);
    ViewRecipe recipe;
    static_cast<Augmentation&>(recipe) = view;
    const std::int64_t usual = view.local && options.view.empty() ? local_size(options) : options.size;
    recipe.size = static_cast<int>(view.size > 0 ? view.size : usual);
    recipe.local = view.local;
    recipe.interpolation = options.interpolation;
    recipes.insert(recipes.end(), static_cast<std::size_t>(view.count), recipe);
  }
  return recipes;
}

template <class O, class B, class T>
OptionSpec& option(Schema<O>& schema, const char* name, T B::*member, std::string doc) {
  return schema.option(name, static_cast<T O::*>(member), std::move(doc));
}

template <class O, class B, class E>
OptionSpec& option(Schema<O>& schema, const char* name, E B::*member, Choices<E> choices, std::string doc) {
  return schema.option(name, static_cast<E O::*>(member), choices, std::move(doc));
}

/// Options of every image modality that say how pictures are shown.
template <class O>
void add_view_options(Schema<O>& s) {
  option(s, "size", &O::size, "side of a view in pixels").range(1, 1 << 14);
  option(s, "patch", &O::patch, "side of a patch in pixels; must divide size").range(1, 1 << 14);
  option(s, "channels", &O::channels, "3 for RGB, 1 for grey").range(1, 3);
  option(s, "normalise", &O::normalise,
         Choices<Normalise>{
             {"imagenet", Normalise::imagenet}, {"none", Normalise::none}, {"standardise", Normalise::standardise}},
         "fixed mean and deviation, values in [0, 1], or each picture by its own channel means and one deviation");
  option(s, "mean", &O::mean, "subtracted from values in [0, 1], one for each channel; empty: as normalise says");
  option(s, "std", &O::std, "divides after that, one for each channel; empty: as normalise says").range(1e-6, 1e6);
  option(s, "max_bad_share", &O::max_bad_share, "share of unreadable samples that stops a run").range(0, 1);
  option(s, "evaluate_resize", &O::evaluate_resize,
         "short side before the centre crop when features are evaluated; 0: size (the usual 256 / 224 is explicit)")
      .range(0, 1 << 14);
  option(s, "interpolation", &O::interpolation,
         Choices<Interpolation>{{"bicubic", Interpolation::bicubic}, {"bilinear", Interpolation::bilinear}},
         "resampling filter, antialiased");
  option(s, "exif", &O::exif, "turn pictures upright as their EXIF orientation says");
}

/// Options of every image modality that say how views are drawn for pretraining.
template <class O>
void add_augment_options(Schema<O>& s) {
  option(s, "views", &O::views, "views of each sample, drawn independently").range(1, 64);
  option(s, "recipe", &O::recipe,
         Choices<Recipe>{{"none", Recipe::none},
                         {"simclr", Recipe::simclr},
                         {"moco_v2", Recipe::moco_v2},
                         {"moco_v3", Recipe::moco_v3},
                         {"byol", Recipe::byol},
                         {"simsiam", Recipe::simsiam},
                         {"barlow_twins", Recipe::barlow_twins},
                         {"vicreg", Recipe::vicreg},
                         {"swav", Recipe::swav},
                         {"dino", Recipe::dino},
                         {"lejepa", Recipe::lejepa}},
         "the views as a method's authors draw them, in place of the options below");
  option(s, "local_size", &O::local_size, "side of a recipe's local views in pixels; 0: 3/7 of size, in whole patches")
      .range(0, 1 << 14);
  option(s, "view", &O::view, "tables [[modality.view]]: views that differ, in place of the options below");
  add_augmentation_options(s);
}

template <class O>
Schema<O> path_schema(const char* summary, const char* path_doc, const char* share_doc) {
  Schema<O> s(summary);
  option(s, "path", &O::path, path_doc).required().path();
  option(s, "test_share", &O::test_share, share_doc).range(0, 0.5);
  add_view_options(s);
  add_augment_options(s);
  return s;
}

/// Option of the modalities whose pictures lie in files.
template <class O>
void add_cache_option(Schema<O>& s) {
  option(s, "decode_cache_mb", &O::decode_cache_mb,
         "MiB of decoded pictures kept in memory; small sets that fit are read and decoded once instead of every epoch")
      .range(0, 1 << 22);
}

constexpr const char* kEveryKth =
    "share of each class kept for testing (every k-th sample) where the data have no test part";

ImageModality::Opener path_opener(std::unique_ptr<ImageSet> (*open)(const std::filesystem::path&, Split, double),
                                  const PathOptions& options) {
  return [open, path = options.path, share = options.test_share](Split split) { return open(path, split, share); };
}

}  // namespace

Schema<FolderOptions> FolderOptions::schema() {
  auto s = path_schema<FolderOptions>(
      "Pictures in class folders, in train/ and val/ or test/ beneath, or in one flat folder",
      "folder of the pictures, or one picture", kEveryKth);
  add_cache_option(s);
  return s;
}

Schema<CifarOptions> CifarOptions::schema() {
  return path_schema<CifarOptions>("CIFAR-10 or CIFAR-100 in the binary version", "folder of the .bin files",
                                   kEveryKth);
}

Schema<IdxOptions> IdxOptions::schema() {
  return path_schema<IdxOptions>("Images in IDX files (MNIST and its kin), gzipped or not",
                                 "folder of the files, or the file of the images",
                                 "share at the end kept for testing where there is one part only");
}

Schema<ListOptions> ListOptions::schema() {
  auto s = path_schema<ListOptions>("Pictures named by a text file, one \"path label\" a line", "the list", kEveryKth);
  s.option("test_path", &ListOptions::test_path, "the list of the test part").path();
  add_cache_option(s);
  return s;
}

Schema<ShardsOptions> ShardsOptions::schema() {
  Schema<ShardsOptions> s("Pictures in tar files, as WebDataset lays them out");
  add_shard_options(s);
  add_cache_option(s);
  option(s, "test_share", &ShardsOptions::test_share, kEveryKth).range(0, 0.5);
  add_view_options(s);
  add_augment_options(s);
  return s;
}

Schema<ShapesOptions> ShapesOptions::schema() {
  Schema<ShapesOptions> s("Procedural pictures of eight shapes: colour, place, size, texture and clutter are nuisance");
  s.option("variant", &ShapesOptions::variant,
           {{"standard", Variant::standard}, {"medium", Variant::medium}, {"hard", Variant::hard}},
           "how small, cluttered and noisy the shapes are");
  s.option("train_samples", &ShapesOptions::train_samples, "samples of the training part").range(1, 1 << 30);
  s.option("test_samples", &ShapesOptions::test_samples, "samples of the test part; 0: none").range(0, 1 << 30);
  s.option("data_seed", &ShapesOptions::data_seed, "which pictures are drawn; not the seed of the run").at_least(0);
  s.option("area", &ShapesOptions::area, "share of the picture that a shape covers; [0, 0]: as the variant")
      .range(0, 0.4);
  s.option("clutter", &ShapesOptions::clutter, "pieces of clutter; [-1, -1]: as the variant").range(-1, 1000);
  s.option("noise", &ShapesOptions::noise, "deviation of the noise, of full intensity; -1: as the variant")
      .range(-1, 1);
  s.option("texture", &ShapesOptions::texture, "highest amplitude of the gratings; -1: as the variant").range(-1, 1);
  add_view_options(s);
  add_augment_options(s);
  return s;
}

ShapesDifficulty ShapesOptions::difficulty() const {
  static constexpr ShapesDifficulty kVariants[] = {
      {{0.12, 0.28}, {0, 3}, 0.04, 0.06}, {{0.08, 0.18}, {1, 4}, 0.05, 0.08}, {{0.06, 0.16}, {3, 7}, 0.06, 0.12}};
  ShapesDifficulty chosen = kVariants[static_cast<int>(variant)];
  if (area[1] > 0) chosen.area = area;
  if (clutter[0] >= 0) chosen.clutter = clutter;
  if (noise >= 0) chosen.noise = noise;
  if (texture >= 0) chosen.texture = texture;
  require_order("area", chosen.area);
  require_order("clutter", chosen.clutter);
  return chosen;
}

ImageModality::ImageModality(const ImageOptions& options, Opener opener)
    : options_(options),
      opener_(std::move(opener)),
      normaliser_((check(options), options.normalise), options.mean, options.std, options.channels) {
  if (options_.evaluate_resize == 0) options_.evaluate_resize = options_.size;
  tokenizer().grid({options_.size, options_.size});
  recipes_ = view_recipes(options_);
  for (const ViewRecipe& recipe : recipes_) tokenizer().grid({recipe.size, recipe.size});
}

std::unique_ptr<SampleSource> ImageModality::open(Split split, Purpose purpose) const {
  auto set = opener_(split);
  if (!set) return nullptr;
  return std::make_unique<ImageSource>(std::move(set), purpose, options_, recipes_);
}

TokenizerSpec ImageModality::tokenizer() const {
  return {options_.channels, {options_.patch, options_.patch}, {Axis::height, Axis::width}};
}

std::vector<ViewLayout> ImageModality::views(Purpose purpose) const {
  std::vector<ViewLayout> layouts;
  if (purpose == Purpose::evaluate) return {{tokenizer().grid({options_.size, options_.size}), ViewRole::global}};
  for (const ViewRecipe& recipe : recipes_)
    layouts.push_back(
        {tokenizer().grid({recipe.size, recipe.size}), recipe.local ? ViewRole::local : ViewRole::global});
  return layouts;
}

void ImageModality::prepare(Batch& batch, Purpose, Rng&) const {
  for (View& view : batch.views) view.data = normaliser_.apply(view.data);
}

at::Tensor ImageModality::display(const View& view) const {
  return options_.normalise == Normalise::standardise ? Modality::display(view) : normaliser_.restore(view.data);
}

FolderModality::FolderModality(const FolderOptions& options)
    : ImageModality(options, path_opener(open_folder, options)) {}

ListModality::ListModality(const ListOptions& options)
    : ImageModality(options, [path = options.path, test = options.test_path, share = options.test_share](Split split) {
        return open_list(path, test, split, share);
      }) {}

ShardsModality::ShardsModality(const ShardsOptions& options)
    : ImageModality(options, [shards = shards_of(options)](Split split) { return open_shards(shards, split); }) {}

CifarModality::CifarModality(const CifarOptions& options) : ImageModality(options, path_opener(open_cifar, options)) {}

IdxModality::IdxModality(const IdxOptions& options) : ImageModality(options, path_opener(open_idx, options)) {}

ShapesModality::ShapesModality(const ShapesOptions& options)
    : ImageModality(options, [options](Split split) -> std::unique_ptr<ImageSet> {
        if (split == Split::test && options.test_samples == 0) return nullptr;
        return std::make_unique<ShapesSet>(options, split);
      }) {
  options.difficulty();
}

}  // namespace cairn::image
