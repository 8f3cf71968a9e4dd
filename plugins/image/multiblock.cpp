#include "multiblock.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "cairn/ranges.h"
#include "media/token_rows.h"

namespace cairn::image {
namespace {

using media::Ids;
using media::ids_of;
using media::Mask;

constexpr int kTries = 20;

struct Size {
  std::int64_t height = 0, width = 0;

  std::int64_t area() const { return height * width; }
};

struct Grid {
  std::int64_t height = 0, width = 0;

  std::int64_t count() const { return height * width; }
};

std::int64_t rounded(double value) { return static_cast<std::int64_t>(std::nearbyint(value)); }

/// As published: one random number for scale and aspect, sides at most one below the grid's.
Size draw_size_faithfully(const Grid& grid, const std::array<double, 2>& scale, const std::array<double, 2>& aspect,
                          Rng& rng) {
  const double r = rng.uniform();
  const double area = std::floor(static_cast<double>(grid.count()) * (scale[0] + r * (scale[1] - scale[0])));
  const double ratio = aspect[0] + r * (aspect[1] - aspect[0]);
  return {std::min(rounded(std::sqrt(area * ratio)), grid.height - 1),
          std::min(rounded(std::sqrt(area / ratio)), grid.width - 1)};
}

/// Scale uniform, aspect log-uniform; where a side does not fit, the other grows so that the area stays.
Size draw_size(const Grid& grid, const std::array<double, 2>& scale, const std::array<double, 2>& aspect, Rng& rng) {
  const double area = static_cast<double>(grid.count()) * rng.uniform(scale[0], scale[1]);
  const double ratio = std::exp(rng.uniform(std::log(aspect[0]), std::log(aspect[1])));
  double height = std::sqrt(area * ratio), width = std::sqrt(area / ratio);
  const auto rows = static_cast<double>(grid.height), columns = static_cast<double>(grid.width);
  if (height > rows) height = rows, width = area / rows;
  if (width > columns) width = columns, height = area / columns;
  return {std::clamp<std::int64_t>(rounded(height), 1, grid.height),
          std::clamp<std::int64_t>(rounded(width), 1, grid.width)};
}

/// A block of this size anywhere on the grid; `exclusive` leaves out the last row and column.
Mask place_block(const Grid& grid, const Size& size, bool exclusive, Rng& rng) {
  const std::int64_t slack = exclusive ? 1 : 0;
  const std::int64_t top = rng.integer(0, grid.height - size.height - slack);
  const std::int64_t left = rng.integer(0, grid.width - size.width - slack);
  Mask mask(static_cast<std::size_t>(grid.count()));
  for (std::int64_t y = top; y < top + size.height; ++y)
    std::fill_n(mask.begin() + y * grid.width + left, size.width, std::uint8_t{1});
  return mask;
}

void subtract(Mask& mask, const Mask& other) {
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = mask[i] && !other[i];
}

Mask union_of(const std::vector<Mask>& masks) {
  Mask sum(masks.front().size());
  for (const Mask& mask : masks)
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = sum[i] || mask[i];
  return sum;
}

/// One sample: what each context sees, and where each target block lies.
struct Draft {
  std::vector<Ids> contexts;
  std::vector<Mask> targets;
  bool overlaps = false;

  std::size_t smallest_context() const {
    std::size_t smallest = contexts.front().size();
    for (const Ids& ids : contexts) smallest = std::min(smallest, ids.size());
    return smallest;
  }
};

/// The sizes that a batch shares.
struct Sizes {
  Size target, context;
};

std::vector<Mask> place_targets(const Grid& grid, const Sizes& sizes, const MultiblockOptions& options, Rng& rng) {
  std::vector<Mask> targets;
  for (std::int64_t i = 0; i < options.targets; ++i)
    targets.push_back(place_block(grid, sizes.target, options.faithful, rng));
  return targets;
}

/// As published: after every 20 failed places one more target, the last first, stops being an obstacle.
Draft draft_faithfully(const Grid& grid, const Sizes& sizes, const MultiblockOptions& options, Rng& rng) {
  Draft draft;
  draft.targets = place_targets(grid, sizes, options, rng);
  for (std::int64_t c = 0; c < options.contexts; ++c) {
    std::int64_t obstacles = options.allow_overlap ? 0 : options.targets;
    Ids kept;
    for (int tries = 1; static_cast<std::int64_t>(kept.size()) <= options.min_keep; ++tries) {
      Mask mask = place_block(grid, sizes.context, true, rng);
      for (std::int64_t t = 0; t < obstacles; ++t) subtract(mask, draft.targets[static_cast<std::size_t>(t)]);
      kept = ids_of(mask);
      draft.overlaps |= static_cast<std::int64_t>(kept.size()) > options.min_keep && obstacles < options.targets;
      if (tries % kTries == 0) obstacles = std::max<std::int64_t>(0, obstacles - 1);
    }
    draft.contexts.push_back(std::move(kept));
  }
  return draft;
}

/// The best of at most kTries samples: the first whose contexts keep more than min_keep tokens, else the one that keeps
/// most.
Draft draft_disjointly(const Grid& grid, const Sizes& sizes, const MultiblockOptions& options, Rng& rng) {
  Draft best;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Draft draft;
    draft.targets = place_targets(grid, sizes, options, rng);
    draft.overlaps = options.allow_overlap;
    const Mask taken = union_of(draft.targets);
    for (std::int64_t c = 0; c < options.contexts; ++c) {
      Mask mask = place_block(grid, sizes.context, false, rng);
      if (!options.allow_overlap) subtract(mask, taken);
      draft.contexts.push_back(ids_of(mask));
    }
    if (attempt == 0 || draft.smallest_context() > best.smallest_context()) best = std::move(draft);
    if (static_cast<std::int64_t>(best.smallest_context()) > options.min_keep) break;
  }
  return best;
}

std::string grid_text(const Grid& grid) {
  return "a grid of " + std::to_string(grid.height) + " x " + std::to_string(grid.width);
}

void check_sizes(const Grid& grid, const Sizes& sizes, const MultiblockOptions& options) {
  if (sizes.context.area() <= options.min_keep)
    throw ConfigError("min_keep",
                      "on " + grid_text(grid) + " the context block has " + std::to_string(sizes.context.area()) +
                          " tokens, but more than " + std::to_string(options.min_keep) + " must remain",
                      "lower min_keep, raise context_scale, or choose a smaller patch or a larger size");
  if (options.faithful && sizes.target.area() <= options.min_keep)
    throw ConfigError("min_keep",
                      "on " + grid_text(grid) + " a target block has " + std::to_string(sizes.target.area()) +
                          " tokens, and the published code searches for ever where that is not more than min_keep",
                      "lower min_keep, or leave faithful off");
}

Grid planar_grid(std::span<const ViewLayout> views) {
  if (views.empty() || views.front().grid.extent.size() != 2)
    throw ConfigError("type", "image.multiblock needs views with two axes, such as height x width",
                      "choose a masker that suits the modality");
  return {views.front().grid.extent[0], views.front().grid.extent[1]};
}

TokenSet stack(std::vector<Ids> rows, const MultiblockOptions& options, Rng& rng) {
  const media::Cut cut = options.faithful ? media::Cut::last : media::Cut::random;
  return media::stack_rows(std::move(rows), 0, cut, &rng, static_cast<std::size_t>(options.round_to));
}

Plan assemble(const std::vector<Draft>& drafts, const MultiblockOptions& options, Rng& rng) {
  Plan plan;
  for (std::size_t c = 0; c < static_cast<std::size_t>(options.contexts); ++c) {
    std::vector<Ids> rows;
    for (const Draft& draft : drafts) rows.push_back(draft.contexts[c]);
    plan.contexts.push_back({0, options.packed ? media::pack_rows(rows) : stack(std::move(rows), options, rng), {}});
  }
  std::vector<TokenSet> blocks;
  for (std::size_t t = 0; t < (options.joint ? 1 : static_cast<std::size_t>(options.targets)); ++t) {
    std::vector<Ids> rows;
    for (const Draft& draft : drafts)
      rows.push_back(ids_of(options.joint ? union_of(draft.targets) : draft.targets[t]));
    blocks.push_back(stack(std::move(rows), options, rng));
  }
  for (int c = 0; c < static_cast<int>(options.contexts); ++c)
    for (const TokenSet& block : blocks) plan.queries.push_back({c, 0, block, Level::tokens, 0});
  plan.may_overlap = std::any_of(drafts.begin(), drafts.end(), [](const Draft& draft) { return draft.overlaps; });
  return plan;
}

}  // namespace

Schema<MultiblockOptions> MultiblockOptions::schema() {
  using O = MultiblockOptions;
  Schema<O> s("I-JEPA: a large block without the targets predicts several smaller blocks");
  s.option("context_scale", &O::context_scale, "share of the grid that the context block covers (enc_mask_scale)")
      .range(0.01, 1);
  s.option("target_scale", &O::target_scale, "share of the grid that a target block covers (pred_mask_scale)")
      .range(0.01, 1);
  s.option("aspect_ratio", &O::aspect_ratio, "height by width of a target block").range(0.01, 100);
  s.option("contexts", &O::contexts, "context blocks of each sample (num_enc_masks)").range(1, 64);
  s.option("targets", &O::targets, "target blocks of each sample (num_pred_masks)").range(1, 64);
  s.option("min_keep", &O::min_keep, "more tokens than this should remain in a context").at_least(0);
  s.option("allow_overlap", &O::allow_overlap, "leave the targets in the context");
  s.option("joint", &O::joint, "ask about the union of the target blocks in one query");
  s.option("round_to", &O::round_to,
           "contexts and targets shrink to a multiple of so many tokens, unless they have fewer: few shapes, for "
           "train.graphs")
      .range(1, 1024);
  s.option("packed", &O::packed,
           "contexts keep all their tokens, of which samples have unequal numbers, and are packed; else all are cut to "
           "the shortest");
  s.option("faithful", &O::faithful, "keep the quirks of the published code");
  return s;
}

Multiblock::Multiblock(const MultiblockOptions& options) : options_(options) {
  require_order("context_scale", options_.context_scale);
  require_order("target_scale", options_.target_scale);
  require_order("aspect_ratio", options_.aspect_ratio);
  if (options_.packed && (options_.faithful || options_.round_to > 1))
    throw ConfigError("packed", "leaves contexts as they are, and faithful and round_to cut them",
                      "set faithful = false and round_to = 1, or packed = false");
}

Plan Multiblock::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const {
  const Grid grid = planar_grid(views);
  if (options_.faithful && std::min(grid.height, grid.width) < 2)
    throw ConfigError("faithful",
                      "on " + grid_text(grid) + " no block is smaller than the grid, as the published code needs",
                      "leave faithful off");
  const auto draw = options_.faithful ? draw_size_faithfully : draw_size;
  Sizes sizes;
  sizes.target = draw(grid, options_.target_scale, options_.aspect_ratio, rng);
  sizes.context = draw(grid, options_.context_scale, {1, 1}, rng);
  check_sizes(grid, sizes, options_);

  std::vector<Draft> drafts;
  for (std::int64_t b = 0; b < batch; ++b) {
    drafts.push_back(options_.faithful ? draft_faithfully(grid, sizes, options_, rng)
                                       : draft_disjointly(grid, sizes, options_, rng));
    if (drafts.back().smallest_context() == 0)
      throw ConfigError("target_scale", "on " + grid_text(grid) + " the targets leave nothing of the context",
                        "lower target_scale or targets, or choose a smaller patch or a larger size");
  }
  return assemble(drafts, options_, rng);
}

}  // namespace cairn::image
