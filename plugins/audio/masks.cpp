#include "masks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "cairn/error.h"
#include "cairn/ranges.h"
#include "media/token_rows.h"

namespace cairn::audio {
namespace {

using Ids = std::vector<std::int64_t>;

constexpr int kTries = 20;
// Before the options of a curriculum's phases.
constexpr const char* kMultiblock = "multiblock_";
constexpr const char* kTimeFrequency = "time_frequency_";

/// Extents over the two axes of a view, in their order.
struct Extent {
  std::int64_t first = 0, second = 0;

  std::int64_t count() const { return first * second; }
};

struct Grid : Extent {
  bool time_first = true;  // else bands come first
};

struct Block {
  std::int64_t top = 0, left = 0;
  Extent size;

  bool has_row(std::int64_t row) const { return row >= top && row < top + size.first; }
  bool has_column(std::int64_t column) const { return column >= left && column < left + size.second; }
};

Grid grid_of(const ViewLayout& view) {
  const TokenGrid& grid = view.grid;
  if (grid.extent.size() != 2)
    throw ConfigError("type", "needs views with two axes, time and frequency",
                      "choose a masker that suits the modality");
  return {{grid.extent[0], grid.extent[1]}, grid.axes.empty() || grid.axes[0] != Axis::frequency};
}

std::string text_of(const Grid& grid) {
  return "a grid of " + std::to_string(grid.first) + " x " + std::to_string(grid.second);
}

std::int64_t whole(double value, std::int64_t most) { return std::clamp<std::int64_t>(std::llround(value), 1, most); }

/// Scale uniform, aspect (bands by slots) log-uniform. The side that the grid or rounding changes more comes first, and
/// the other one restores the area.
Extent draw_extent(const Grid& grid, const std::array<double, 2>& scale, const std::array<double, 2>& aspect,
                   bool relative, Rng& rng) {
  const double area = static_cast<double>(grid.count()) * rng.uniform(scale[0], scale[1]);
  double ratio = std::exp(rng.uniform(std::log(aspect[0]), std::log(aspect[1])));
  if (grid.time_first) ratio = 1 / ratio;  // of the first axis by the second
  if (relative) ratio *= static_cast<double>(grid.first) / static_cast<double>(grid.second);
  Extent extent;
  if (grid.first <= grid.second) {
    extent.first = whole(std::sqrt(area * ratio), grid.first);
    extent.second = whole(area / static_cast<double>(extent.first), grid.second);
    extent.first = whole(area / static_cast<double>(extent.second), grid.first);
  } else {
    extent.second = whole(std::sqrt(area / ratio), grid.second);
    extent.first = whole(area / static_cast<double>(extent.second), grid.first);
    extent.second = whole(area / static_cast<double>(extent.first), grid.second);
  }
  return extent;
}

Block place(const Grid& grid, const Extent& size, Rng& rng) {
  return {rng.integer(0, grid.first - size.first), rng.integer(0, grid.second - size.second), size};
}

/// The tokens of the grid for which `test` of row and column holds, ascending.
template <class Test>
Ids tokens_where(const Grid& grid, const Test& test) {
  Ids ids;
  for (std::int64_t row = 0; row < grid.first; ++row)
    for (std::int64_t column = 0; column < grid.second; ++column)
      if (test(row, column)) ids.push_back(row * grid.second + column);
  return ids;
}

Ids tokens_of(const Grid& grid, std::span<const Block> blocks) {
  return tokens_where(grid, [&](std::int64_t row, std::int64_t column) {
    return std::any_of(blocks.begin(), blocks.end(),
                       [&](const Block& block) { return block.has_row(row) && block.has_column(column); });
  });
}

/// What of the context block remains when the targets are taken out, with their slots and bands where that is asked.
Ids context_tokens(const Grid& grid, const Block& context, std::span<const Block> targets, bool without_times,
                   bool without_bands) {
  const bool without_rows = grid.time_first ? without_times : without_bands;
  const bool without_columns = grid.time_first ? without_bands : without_times;
  return tokens_where(grid, [&](std::int64_t row, std::int64_t column) {
    if (!context.has_row(row) || !context.has_column(column)) return false;
    return std::none_of(targets.begin(), targets.end(), [&](const Block& target) {
      const bool in_row = target.has_row(row), in_column = target.has_column(column);
      return (in_row && in_column) || (in_row && without_rows) || (in_column && without_columns);
    });
  });
}

/// One sample.
struct Draft {
  Ids context;
  std::vector<Block> targets;
};

/// The first of kTries samples whose context keeps more than min_keep tokens; else the fullest of those that only lose
/// the targets.
Draft draft(const Grid& grid, const Extent& context, const Extent& target, const BlockOptions& options, Rng& rng) {
  Draft best;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Draft next;
    for (std::int64_t i = 0; i < options.targets; ++i) next.targets.push_back(place(grid, target, rng));
    const Block block = place(grid, context, rng);
    next.context = context_tokens(grid, block, next.targets, options.exclude_times, options.exclude_bands);
    if (static_cast<std::int64_t>(next.context.size()) > options.min_keep) return next;
    next.context = context_tokens(grid, block, next.targets, false, false);
    if (next.context.size() > best.context.size()) best = std::move(next);
  }
  return best;
}

/// One list for each row, cut at random to the shortest: int64 [B,K].
TokenSet stack(std::vector<Ids> rows, Rng& rng) {
  std::size_t shortest = rows.front().size();
  for (const Ids& row : rows) shortest = std::min(shortest, row.size());
  const at::Tensor index =
      at::empty({static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(shortest)}, at::kLong);
  auto* out = index.mutable_data_ptr<std::int64_t>();
  for (Ids& row : rows) {
    if (row.size() > shortest) {
      rng.shuffle(row);
      std::sort(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(shortest));
    }
    out = std::copy_n(row.begin(), shortest, out);
  }
  return {index};
}

void plan_view(const Grid& grid, int view, std::int64_t batch, const BlockOptions& options, const std::string& prefix,
               Rng& rng, Plan& plan) {
  const Extent target = draw_extent(grid, options.target_scale, options.aspect_ratio, options.relative_aspect, rng);
  const Extent context = draw_extent(grid, options.context_scale, {1, 1}, true, rng);
  std::vector<Ids> contexts;
  std::vector<std::vector<Ids>> targets(options.joint ? 1 : static_cast<std::size_t>(options.targets));
  for (std::int64_t row = 0; row < batch; ++row) {
    const Draft sample = draft(grid, context, target, options, rng);
    if (sample.context.empty())
      throw ConfigError(prefix + "target_scale", "on " + text_of(grid) + " the targets leave nothing of the context",
                        "lower it or " + prefix + "targets, or choose a smaller patch or a larger size");
    contexts.push_back(sample.context);
    const std::span<const Block> blocks(sample.targets);
    for (std::size_t t = 0; t < targets.size(); ++t)
      targets[t].push_back(tokens_of(grid, options.joint ? blocks : blocks.subspan(t, 1)));
  }
  const int number = static_cast<int>(plan.contexts.size());
  TokenSet seen = options.packed ? media::pack_rows(contexts) : stack(std::move(contexts), rng);
  plan.contexts.push_back({view, std::move(seen), {}});
  for (auto& rows : targets) plan.queries.push_back({number, view, stack(std::move(rows), rng), Level::tokens, 0});
}

/// A random share of the tokens sees, the rest is asked about.
void plan_random(const Grid& grid, int view, std::int64_t batch, double share, Rng& rng, Plan& plan) {
  const auto count = static_cast<std::size_t>(grid.count());
  const auto seen = static_cast<std::size_t>(std::llround(share * static_cast<double>(count)));
  if (seen < 1 || seen >= count)
    throw ConfigError("context_share", "leaves nothing to see or nothing to ask on " + text_of(grid), "change it");
  std::vector<Ids> contexts, queries;
  for (std::int64_t row = 0; row < batch; ++row) {
    Ids order = rng.permutation(grid.count());
    const auto middle = order.begin() + static_cast<std::ptrdiff_t>(seen);
    std::sort(order.begin(), middle);
    std::sort(middle, order.end());
    contexts.emplace_back(order.begin(), middle);
    queries.emplace_back(middle, order.end());
  }
  const int number = static_cast<int>(plan.contexts.size());
  plan.contexts.push_back({view, stack(std::move(contexts), rng), {}});
  plan.queries.push_back({number, view, stack(std::move(queries), rng), Level::tokens, 0});
}

/// The options of the BlockOptions that O inherits through `Base`.
template <class Base, class O>
void add_block_options(Schema<O>& s, const std::string& prefix = "") {
  const auto option = [&]<class T>(const char* name, T BlockOptions::*member, const char* doc) -> OptionSpec& {
    return s.option(prefix + name, static_cast<T O::*>(static_cast<T Base::*>(member)), doc);
  };
  option("context_scale", &BlockOptions::context_scale, "share of the grid that the context block covers")
      .range(0.01, 1);
  option("target_scale", &BlockOptions::target_scale, "share of the grid that a target block covers").range(0.001, 1);
  option("aspect_ratio", &BlockOptions::aspect_ratio, "bands by time slots of a target block").range(0.01, 100);
  option("relative_aspect", &BlockOptions::relative_aspect,
         "count the aspect in shares of the grid, so that 1 is a block of the grid's own shape; else in tokens");
  option("targets", &BlockOptions::targets, "target blocks of each sample").range(1, 64);
  option("min_keep", &BlockOptions::min_keep, "more tokens than this should remain in a context").at_least(0);
  option("exclude_times", &BlockOptions::exclude_times, "the context also loses the time slots of the targets");
  option("exclude_bands", &BlockOptions::exclude_bands, "the context also loses the bands of the targets");
  option("packed", &BlockOptions::packed,
         "contexts keep all their tokens, of which samples have unequal numbers, and are packed; else all are cut to "
         "the shortest");
  option("joint", &BlockOptions::joint, "ask about the union of the target blocks in one query");
}

}  // namespace

TimeFrequencyOptions::TimeFrequencyOptions() {
  target_scale = {0.05, 0.075};
  targets = 3;
  exclude_times = exclude_bands = true;
}

Schema<MultiblockOptions> MultiblockOptions::schema() {
  Schema<MultiblockOptions> s("A large block of a spectrogram without the targets predicts several smaller blocks");
  add_block_options<MultiblockOptions>(s);
  return s;
}

Schema<TimeFrequencyOptions> TimeFrequencyOptions::schema() {
  Schema<TimeFrequencyOptions> s("A-JEPA: the context also loses the time slots and bands that the targets touch");
  add_block_options<TimeFrequencyOptions>(s);
  return s;
}

Multiblock::Multiblock(const BlockOptions& options, std::string prefix)
    : options_(options), prefix_(std::move(prefix)) {
  require_order(prefix_ + "context_scale", options_.context_scale);
  require_order(prefix_ + "target_scale", options_.target_scale);
  require_order(prefix_ + "aspect_ratio", options_.aspect_ratio);
}

Plan Multiblock::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const {
  Plan plan;
  for (std::size_t v = 0; v < views.size(); ++v)
    plan_view(grid_of(views[v]), static_cast<int>(v), batch, options_, prefix_, rng, plan);
  return plan;
}

Schema<CurriculumOptions> CurriculumOptions::schema() {
  using O = CurriculumOptions;
  const Choices<Phase> phases = {
      {"random", Phase::random}, {"multiblock", Phase::multiblock}, {"time_frequency", Phase::time_frequency}};
  Schema<O> s("A-JEPA's curriculum from one way of masking to another as the run goes on");
  s.option("from", &O::from, phases, "masking at the start");
  s.option("to", &O::to, phases, "masking at the end");
  s.option("competence", &O::competence, "c of f(s) = min(1, sqrt(s (1 - c^2) / S) + c^2), the share of the later one")
      .range(0, 1);
  s.option("context_share", &O::context_share, "random: share of the tokens that is seen; the rest is asked about")
      .range(0, 1);
  add_block_options<MultiblockOptions>(s, kMultiblock);
  add_block_options<TimeFrequencyOptions>(s, kTimeFrequency);
  return s;
}

Curriculum::Curriculum(const CurriculumOptions& options)
    : options_(options),
      multiblock_(static_cast<const MultiblockOptions&>(options), kMultiblock),
      time_frequency_(static_cast<const TimeFrequencyOptions&>(options), kTimeFrequency) {}

double Curriculum::competence(const Progress& progress) const {
  const double square = options_.competence * options_.competence;
  return std::min(1.0, std::sqrt(progress.fraction() * (1 - square)) + square);
}

Plan Curriculum::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const {
  switch (rng.chance(competence(progress)) ? options_.to : options_.from) {
    case Phase::multiblock:
      return multiblock_.plan(views, batch, progress, rng);
    case Phase::time_frequency:
      return time_frequency_.plan(views, batch, progress, rng);
    default:
      break;
  }
  Plan plan;
  for (std::size_t v = 0; v < views.size(); ++v)
    plan_random(grid_of(views[v]), static_cast<int>(v), batch, options_.context_share, rng, plan);
  return plan;
}

}  // namespace cairn::audio
