#include "random.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "cairn/error.h"

namespace cairn::transformer {

namespace {

/// int(share * count), as MAE counts, but not one less where the product is whole up to rounding.
std::int64_t share_of(double share, std::int64_t count) {
  return static_cast<std::int64_t>(share * static_cast<double>(count) + 1e-9);
}

/// Writes the first `count` of `ids`, sorted, into a row of `out`.
void take(std::span<std::int64_t> ids, std::int64_t count, const at::Tensor& out, std::int64_t row) {
  const auto end = ids.begin() + count;
  std::sort(ids.begin(), end);
  std::copy(ids.begin(), end, out.data_ptr<std::int64_t>() + row * count);
}

}  // namespace

Schema<RandomOptions> RandomOptions::schema() {
  using O = RandomOptions;
  Schema<O> s("Uniformly random context tokens; the rest, or random parts of it, is asked about");
  s.option("context_share", &O::context_share, "share of the tokens that is seen").range(0, 1);
  s.option("context_tokens", &O::context_tokens, "number of tokens seen; 0: context_share says it").at_least(0);
  s.option("target_share", &O::target_share, "share of the tokens that is asked about; 0: all not seen").range(0, 1);
  s.option("target_tokens", &O::target_tokens, "number of tokens asked about; 0: target_share says it").at_least(0);
  s.option("contexts", &O::contexts, "independent contexts of each view, each asked about tokens outside it")
      .range(1, 64);
  s.option("targets", &O::targets, "queries of each context, drawn independently, each a sequence of its own")
      .range(1, 64);
  return s;
}

RandomMasker::RandomMasker(const RandomOptions& options) : options_(options) {}

RandomMasker::Counts RandomMasker::counts(const TokenGrid& grid) const {
  const std::int64_t count = grid.count();
  Counts n;
  n.seen = options_.context_tokens > 0 ? options_.context_tokens : share_of(options_.context_share, count);
  n.asked = options_.target_tokens > 0 ? options_.target_tokens : share_of(options_.target_share, count);
  if (options_.target_tokens == 0 && options_.target_share == 0.0) n.asked = count - n.seen;
  const char* seen_key = options_.context_tokens > 0 ? "context_tokens" : "context_share";
  const std::string of = " of the " + std::to_string(count) + " tokens of a " + grid.text() + " grid";
  if (n.seen < 1 || n.seen >= count)
    throw ConfigError(seen_key, std::to_string(n.seen) + of + " are seen",
                      "at least one token must be seen and one left to ask about");
  if (n.asked < 1 || n.seen + n.asked > count)
    throw ConfigError(options_.target_tokens > 0 ? "target_tokens" : "target_share",
                      std::to_string(n.seen) + " seen and " + std::to_string(n.asked) + " asked about" + of,
                      "at least one must be asked about, and both together must fit");
  return n;
}

Plan RandomMasker::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const {
  Plan plan;
  for (std::size_t v = 0; v < views.size(); ++v) {
    const Counts n = counts(views[v].grid);
    const int view = static_cast<int>(v);
    for (std::int64_t draw = 0; draw < options_.contexts; ++draw) {
      const at::Tensor seen = at::empty({batch, n.seen}, at::kLong);
      std::vector<at::Tensor> asked;
      for (std::int64_t t = 0; t < options_.targets; ++t) asked.push_back(at::empty({batch, n.asked}, at::kLong));
      for (std::int64_t row = 0; row < batch; ++row) {
        auto order = rng.permutation(views[v].grid.count());
        const std::span rest = std::span(order).subspan(static_cast<std::size_t>(n.seen));
        take(order, n.seen, seen, row);
        for (const at::Tensor& target : asked) {
          if (&target != &asked.front()) rng.shuffle(rest);
          take(rest, n.asked, target, row);
        }
      }
      for (const at::Tensor& target : asked)
        plan.queries.push_back({static_cast<int>(plan.contexts.size()), view, {target}});
      plan.contexts.push_back({view, {seen}});
    }
  }
  return plan;
}

}  // namespace cairn::transformer
