#include "maskers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cairn/error.h"

namespace cairn::contrastive {
namespace {

/// Whole views, each asked about every other that `asks` accepts.
template <class F>
Plan plan_views(std::span<const ViewLayout> views, F&& asks) {
  if (views.size() < 2)
    throw ConfigError("", "one view of a sample cannot be asked about another",
                      "set modality.views = 2 or more, or a recipe with several views");
  Plan plan;
  for (int from = 0; from < static_cast<int>(views.size()); ++from) {
    for (int to = 0; to < static_cast<int>(views.size()); ++to)
      if (from != to && asks(views[static_cast<std::size_t>(to)]))
        plan.queries.push_back({from, to, {}, Level::pooled, 0});
    plan.contexts.push_back({from, {}, {}});
  }
  return plan;
}

constexpr double kHighestAspect = 1 / 0.3;  // of BEiT's blocks, which iBOT masks with

/// Marks a random block of at most `room` tokens of a plane of `rows` by `columns`, the last two axes of a grid.
void mark_block(std::vector<char>& marked, std::int64_t rows, std::int64_t columns, std::int64_t room, Rng& rng) {
  const double area = rng.uniform(1.0, static_cast<double>(std::max<std::int64_t>(2, room)));
  const double aspect = std::exp(rng.uniform(-std::log(kHighestAspect), std::log(kHighestAspect)));
  const auto height = std::clamp<std::int64_t>(std::llround(std::sqrt(area * aspect)), 1, rows);
  const auto width = std::clamp<std::int64_t>(std::llround(std::sqrt(area / aspect)), 1, columns);
  const std::int64_t planes = static_cast<std::int64_t>(marked.size()) / (rows * columns);
  const std::int64_t start = rng.integer(0, planes - 1) * rows * columns;
  const std::int64_t top = rng.integer(0, rows - height), left = rng.integer(0, columns - width);
  for (std::int64_t y = top; y < top + height; ++y)
    for (std::int64_t x = left; x < left + width; ++x) marked[static_cast<std::size_t>(start + y * columns + x)] = 1;
}

/// `count` tokens of each sample in random blocks, [batch,count], ascending; what is too much is left out at random.
at::Tensor draw_masks(const TokenGrid& grid, std::int64_t count, std::int64_t batch, Rng& rng) {
  const std::int64_t columns = grid.extent.back();
  const std::int64_t rows = grid.extent.size() > 1 ? grid.extent[grid.extent.size() - 2] : 1;
  at::Tensor masks = at::empty({batch, count}, at::kLong);
  for (std::int64_t sample = 0; sample < batch; ++sample) {
    std::vector<char> marked(static_cast<std::size_t>(grid.count()), 0);
    std::int64_t done = 0;
    while (done < count) {
      mark_block(marked, rows, columns, count - done, rng);
      done = std::count(marked.begin(), marked.end(), 1);
    }
    std::vector<std::int64_t> ids;
    for (std::int64_t id = 0; id < grid.count(); ++id)
      if (marked[static_cast<std::size_t>(id)]) ids.push_back(id);
    rng.shuffle(ids);
    std::sort(ids.begin(), ids.begin() + count);
    std::copy_n(ids.begin(), count, masks.mutable_data_ptr<std::int64_t>() + sample * count);
  }
  return masks;
}

bool is_global(const ViewLayout& view) { return view.role == ViewRole::global; }

}  // namespace

Schema<CrossOptions> CrossOptions::schema() {
  return Schema<CrossOptions>("Every view whole, asked about every other view: contrastive methods");
}

Plan Cross::plan(std::span<const ViewLayout> views, std::int64_t, const Progress&, Rng&) const {
  return plan_views(views, [](const ViewLayout&) { return true; });
}

Schema<LocalToGlobalOptions> LocalToGlobalOptions::schema() {
  Schema<LocalToGlobalOptions> s("Every view whole, asked about every other global view: multi-crop");
  s.option("masked_share", &LocalToGlobalOptions::masked_share,
           "share of the tokens of global views that is seen masked and asked about, as in iBOT")
      .range(0, 0.95);
  return s;
}

LocalToGlobal::LocalToGlobal(const LocalToGlobalOptions& options) : options_(options) {
  if (options.masked_share[0] > options.masked_share[1])
    throw ConfigError("masked_share", "the first number is the lower one", "swap the two numbers");
}

Plan LocalToGlobal::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const {
  if (std::none_of(views.begin(), views.end(), is_global))
    throw ConfigError("", "no view is global, so there is nothing to ask about", "add a view that is not local");
  Plan plan = plan_views(views, is_global);
  if (options_.masked_share[1] <= 0) return plan;
  const double share = rng.uniform(options_.masked_share[0], options_.masked_share[1]);
  for (int context = 0; context < static_cast<int>(plan.contexts.size()); ++context) {
    const ViewLayout& view = views[static_cast<std::size_t>(context)];
    if (!is_global(view)) continue;
    const auto count = std::max<std::int64_t>(1, std::llround(share * static_cast<double>(view.grid.count())));
    const TokenSet masked{draw_masks(view.grid, count, batch, rng)};
    plan.contexts[static_cast<std::size_t>(context)].masked = masked;
    plan.queries.push_back({context, context, masked, Level::tokens, 0});
  }
  return plan;
}

}  // namespace cairn::contrastive
