#include "masks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "cairn/ranges.h"
#include "media/token_rows.h"

namespace cairn::video {
namespace {

using media::Ids;
using media::Mask;

/// Samples are drawn anew so often before a grid is given up.
constexpr int kTries = 100;

struct Grid {
  std::int64_t time = 1, height = 0, width = 0;

  std::int64_t count() const { return time * height * width; }
  std::string text() const {
    return "a grid of " + std::to_string(time) + " x " + std::to_string(height) + " x " + std::to_string(width);
  }
};

Grid grid_of(std::span<const ViewLayout> views, const char* masker) {
  const TokenGrid* grid = views.empty() ? nullptr : &views.front().grid;
  if (grid != nullptr && grid->extent.size() == 3 && grid->axes[0] == Axis::time)
    return {grid->extent[0], grid->extent[1], grid->extent[2]};
  if (grid != nullptr && grid->extent.size() == 2) return {1, grid->extent[0], grid->extent[1]};
  throw ConfigError("type", std::string(masker) + " needs views over time, height and width",
                    "choose a masker that suits the modality");
}

/// What tells the groups apart.
struct Group {
  const char* prefix;  // of its options
  std::int64_t blocks;
  std::array<double, 2> spatial_scale, temporal_scale, aspect_ratio;
  double max_temporal_keep;
  std::int64_t max_keep;
};

std::vector<Group> clip_groups(const MultiblockOptions& o) {
  std::vector<Group> groups = {
      {"", o.blocks, o.spatial_scale, o.temporal_scale, o.aspect_ratio, o.max_temporal_keep, o.max_keep}};
  if (o.long_blocks > 0)
    groups.push_back({"long_", o.long_blocks, o.long_spatial_scale, o.long_temporal_scale, o.long_aspect_ratio,
                      o.long_max_temporal_keep, o.long_max_keep});
  return groups;
}

std::vector<Group> groups_of(const Grid& grid, const MultiblockOptions& o) {
  if (grid.time > 1 || o.picture_blocks == 0) return clip_groups(o);
  return {{"picture_", o.picture_blocks, o.picture_spatial_scale, {1, 1}, o.aspect_ratio, 1, o.max_keep}};
}

struct Size {
  std::int64_t time = 1, height = 1, width = 1;
};

/// Three independent draws, as published: length, area, aspect.
Size draw_size(const Grid& grid, const Group& group, Rng& rng) {
  const double length = rng.uniform(group.temporal_scale[0], group.temporal_scale[1]);
  const double share = rng.uniform(group.spatial_scale[0], group.spatial_scale[1]);
  const double aspect = rng.uniform(group.aspect_ratio[0], group.aspect_ratio[1]);
  const double area = std::floor(static_cast<double>(grid.height * grid.width) * share);
  const auto side = [](double value, std::int64_t most) {
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::nearbyint(value)), 1, most);
  };
  const auto time = static_cast<std::int64_t>(std::floor(static_cast<double>(grid.time) * length));
  return {std::clamp<std::int64_t>(time, 1, grid.time), side(std::sqrt(area * aspect), grid.height),
          side(std::sqrt(area / aspect), grid.width)};
}

void take_block(Mask& seen, const Grid& grid, const Size& size, Rng& rng) {
  const std::int64_t top = rng.integer(0, grid.height - size.height), left = rng.integer(0, grid.width - size.width);
  const std::int64_t start = rng.integer(0, grid.time - size.time);
  for (std::int64_t t = start; t < start + size.time; ++t)
    for (std::int64_t y = top; y < top + size.height; ++y)
      std::fill_n(seen.begin() + (t * grid.height + y) * grid.width + left, size.width, std::uint8_t{0});
}

/// One sample: 1 where it is seen, 0 where it is asked about. Drawn anew while nothing is seen.
Mask draw_sample(const Grid& grid, const Group& group, const Size& size, Rng& rng) {
  const double share = static_cast<double>(grid.time) * group.max_temporal_keep;
  const auto kept = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(share)));
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Mask seen(static_cast<std::size_t>(grid.count()), 1);
    for (std::int64_t block = 0; block < group.blocks; ++block) take_block(seen, grid, size, rng);
    if (kept < grid.time) std::fill(seen.begin() + kept * grid.height * grid.width, seen.end(), std::uint8_t{0});
    if (std::find(seen.begin(), seen.end(), 1) != seen.end()) return seen;
  }
  const std::string prefix = group.prefix;
  throw ConfigError(prefix + "spatial_scale", "on " + grid.text() + " the blocks leave nothing to see",
                    "lower it or " + prefix + "blocks, or choose a smaller patch or a larger size");
}

Mask inverted(Mask mask) {
  for (std::uint8_t& value : mask) value = value ? 0 : 1;
  return mask;
}

/// The tokens that are not in each row of `set`.
TokenSet complement(const TokenSet& set, std::int64_t count) {
  std::vector<Ids> rows;
  const at::Tensor index = set.index.contiguous();
  const auto* ids = index.const_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < index.size(0); ++row, ids += index.size(1)) {
    Mask mask(static_cast<std::size_t>(count), 1);
    for (std::int64_t i = 0; i < index.size(1); ++i) mask[static_cast<std::size_t>(ids[i])] = 0;
    rows.push_back(media::ids_of(mask));
  }
  return media::stack_rows(std::move(rows), 0);
}

/// Every context with the query that belongs to it.
void add(Plan& plan, TokenSet seen, TokenSet asked, int group) {
  const int context = static_cast<int>(plan.contexts.size());
  plan.contexts.push_back({0, std::move(seen), {}});
  plan.queries.push_back({context, 0, std::move(asked), Level::tokens, group});
}

}  // namespace

Schema<MultiblockOptions> MultiblockOptions::schema() {
  using O = MultiblockOptions;
  Schema<O> s("V-JEPA: what several blocks over space and time leave predicts them; a short- and a long-range group");
  s.option("blocks", &O::blocks, "blocks of a sample, short-range group (num_blocks)").range(1, 1024);
  s.option("spatial_scale", &O::spatial_scale, "share of a frame that a block covers").range(0.001, 1);
  s.option("temporal_scale", &O::temporal_scale, "share of the clip's length that a block lasts").range(0.001, 1);
  s.option("aspect_ratio", &O::aspect_ratio, "height by width of a block").range(0.01, 100);
  s.option("picture_blocks", &O::picture_blocks,
           "blocks of a picture, a view of one moment, which has one group; 0: it is masked as a clip is")
      .range(0, 1024);
  s.option("picture_spatial_scale", &O::picture_spatial_scale, "as spatial_scale, of pictures").range(0.001, 1);
  s.option("max_temporal_keep", &O::max_temporal_keep, "share of the clip, from its start, that may be seen")
      .range(0.001, 1);
  s.option("max_keep", &O::max_keep, "most tokens of a context; 0: any number").at_least(0);
  s.option("long_blocks", &O::long_blocks, "blocks of a sample, long-range group; 0: no such group").range(0, 1024);
  s.option("long_spatial_scale", &O::long_spatial_scale, "as spatial_scale, long-range group").range(0.001, 1);
  s.option("long_temporal_scale", &O::long_temporal_scale, "as temporal_scale, long-range group").range(0.001, 1);
  s.option("long_aspect_ratio", &O::long_aspect_ratio, "as aspect_ratio, long-range group").range(0.01, 100);
  s.option("long_max_temporal_keep", &O::long_max_temporal_keep, "as max_temporal_keep, long-range group")
      .range(0.001, 1);
  s.option("long_max_keep", &O::long_max_keep, "as max_keep, long-range group").at_least(0);
  s.option("full_complement", &O::full_complement, "ask about everything that the cut context leaves");
  s.option("pred_full_complement", &O::pred_full_complement, "show everything that the cut targets leave");
  s.option("inverse", &O::inverse, "swap context and targets (inv_block)");
  s.option("ask_seen", &O::ask_seen, "ask about the seen tokens too, for V-JEPA 2.1's dense loss");
  s.option("shared_mask_token", &O::shared_mask_token,
           "one mask token for both groups, as V-JEPA 2 trained; else one for each, as V-JEPA");
  s.option("packed", &O::packed,
           "contexts keep all their tokens, of which samples have unequal numbers, and are packed; else all are cut to "
           "the shortest");
  s.option("faithful", &O::faithful, "cut rows to their first tokens, as published; else random ones are left out");
  return s;
}

Multiblock::Multiblock(const MultiblockOptions& options) : options_(options) {
  require_order("spatial_scale", options.spatial_scale);
  require_order("picture_spatial_scale", options.picture_spatial_scale);
  require_order("temporal_scale", options.temporal_scale);
  require_order("aspect_ratio", options.aspect_ratio);
  require_order("long_spatial_scale", options.long_spatial_scale);
  require_order("long_temporal_scale", options.long_temporal_scale);
  require_order("long_aspect_ratio", options.long_aspect_ratio);
  if (options.full_complement && options.pred_full_complement)
    throw ConfigError("pred_full_complement", "cannot go with full_complement: one of the two sides must be cut",
                      "set one of them");
  const bool cuts = options.faithful || options.max_keep > 0 || options.long_max_keep > 0;
  const bool swaps = options.full_complement || options.pred_full_complement || options.inverse || options.ask_seen;
  if (options.packed && (cuts || swaps))
    throw ConfigError("packed", "leaves contexts as they are, and another option cuts them or needs them cut",
                      "leave out max_keep, long_max_keep, full_complement, pred_full_complement, inverse, ask_seen and "
                      "faithful, or set packed = false");
}

Plan Multiblock::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const {
  const Grid grid = grid_of(views, "video.multiblock");
  const std::vector<Group> groups = groups_of(grid, options_);
  Plan plan;
  int number = 0;
  for (const Group& group : groups) {
    const Size size = draw_size(grid, group, rng);
    std::vector<Ids> contexts, targets;
    for (std::int64_t b = 0; b < batch; ++b) {
      Mask seen = draw_sample(grid, group, size, rng);
      contexts.push_back(media::ids_of(seen));
      targets.push_back(media::ids_of(inverted(std::move(seen))));
    }
    const auto cut = options_.faithful ? media::Cut::last : media::Cut::random;
    TokenSet context =
        options_.packed ? media::pack_rows(contexts)
                        : media::stack_rows(std::move(contexts), static_cast<std::size_t>(group.max_keep), cut, &rng);
    TokenSet target = media::stack_rows(std::move(targets), 0, cut, &rng);
    if (options_.full_complement) target = complement(context, grid.count());
    if (options_.pred_full_complement) context = complement(target, grid.count());
    if (options_.inverse) std::swap(context, target);
    if (options_.ask_seen) target.index = at::cat({target.index, context.index}, 1);
    add(plan, std::move(context), std::move(target), options_.shared_mask_token ? 0 : number++);
    plan.queries.back().seen_too = options_.ask_seen;
  }
  return plan;
}

Schema<TubeOptions> TubeOptions::schema() {
  Schema<TubeOptions> s("Random tubes: some places are seen at all times, the others are asked about");
  s.option("hidden_share", &TubeOptions::hidden_share, "share of the places that are hidden").range(0.01, 0.99);
  return s;
}

Plan Tube::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const {
  const Grid grid = grid_of(views, "video.tube");
  const std::int64_t places = grid.height * grid.width;
  const auto kept =
      static_cast<std::int64_t>(std::floor(static_cast<double>(places) * (1 - options_.hidden_share) + 1e-9));
  if (kept < 1 || kept >= places)
    throw ConfigError("hidden_share", "on " + grid.text() + " nothing is left to " + (kept < 1 ? "see" : "ask about"),
                      "choose another share, a smaller patch or a larger size");
  std::vector<Ids> contexts, targets;
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::vector<std::int64_t> order = rng.permutation(places);
    Mask seen(static_cast<std::size_t>(grid.count()), 0);
    for (std::int64_t i = 0; i < kept; ++i)
      for (std::int64_t t = 0; t < grid.time; ++t)
        seen[static_cast<std::size_t>(t * places + order[static_cast<std::size_t>(i)])] = 1;
    contexts.push_back(media::ids_of(seen));
    targets.push_back(media::ids_of(inverted(std::move(seen))));
  }
  Plan plan;
  add(plan, media::stack_rows(std::move(contexts), 0), media::stack_rows(std::move(targets), 0), 0);
  return plan;
}

Schema<CausalOptions> CausalOptions::schema() {
  Schema<CausalOptions> s("The future: what comes up to a moment is seen, what comes after it is asked about");
  s.option("seen_share", &CausalOptions::seen_share, "share of the clip that is seen, drawn once a batch").range(0, 1);
  s.option("horizon", &CausalOptions::horizon, "share of the unseen rest that is asked about, the nearest first")
      .range(0.001, 1);
  return s;
}

Causal::Causal(const CausalOptions& options) : options_(options) { require_order("seen_share", options.seen_share); }

Plan Causal::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const {
  const Grid grid = grid_of(views, "video.causal");
  if (grid.time < 2)
    throw ConfigError("type", "video.causal needs at least two moments, and there is one on " + grid.text(),
                      "raise frames or lower tubelet; leave out pictures in turn with clips, which have one moment");
  const double share = rng.uniform(options_.seen_share[0], options_.seen_share[1]);
  const auto length = static_cast<double>(grid.time);
  const auto seen = std::clamp<std::int64_t>(std::llround(length * share), 1, grid.time - 1);
  const double rest = static_cast<double>(grid.time - seen) * options_.horizon;
  const std::int64_t asked = std::max<std::int64_t>(1, std::llround(rest)), places = grid.height * grid.width;
  const auto range = [&](std::int64_t from, std::int64_t count) {
    return TokenSet{at::arange(from * places, (from + count) * places, at::kLong).expand({batch, -1}).contiguous()};
  };
  Plan plan;
  add(plan, range(0, seen), range(seen, asked), 0);
  return plan;
}

}  // namespace cairn::video
