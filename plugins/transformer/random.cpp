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

/// The tokens of each unit of a grid, units and tokens in row-major order.
std::vector<std::vector<std::int64_t>> tile(const TokenGrid& grid, const std::vector<std::int64_t>& unit) {
  std::int64_t units = grid.count();
  for (const std::int64_t side : unit) units /= side;
  std::vector<std::vector<std::int64_t>> tokens(static_cast<std::size_t>(units));
  for (std::int64_t token = 0; token < grid.count(); ++token) {
    std::int64_t number = 0, rest = token, stride = grid.count();
    for (std::size_t a = 0; a < unit.size(); ++a) {
      stride /= grid.extent[a];
      number = number * (grid.extent[a] / unit[a]) + rest / stride / unit[a];
      rest %= stride;
    }
    tokens[static_cast<std::size_t>(number)].push_back(token);
  }
  return tokens;
}

/// Writes the tokens of `units`, sorted, into a row of `out`.
void write(std::span<const std::int64_t> units, const std::vector<std::vector<std::int64_t>>& tokens,
           const at::Tensor& out, std::int64_t row) {
  auto* const begin = out.data_ptr<std::int64_t>() + row * out.size(1);
  auto* end = begin;
  for (const std::int64_t unit : units) {
    const auto& own = tokens[static_cast<std::size_t>(unit)];
    end = std::copy(own.begin(), own.end(), end);
  }
  std::sort(begin, end);
}

/// Number of units that hold `tokens` tokens.
std::int64_t whole_units(const char* key, std::int64_t tokens, std::int64_t tokens_per_unit) {
  if (tokens % tokens_per_unit != 0)
    throw ConfigError(
        key, std::to_string(tokens) + " tokens are no whole number of units of " + std::to_string(tokens_per_unit),
        "choose a multiple of " + std::to_string(tokens_per_unit));
  return tokens / tokens_per_unit;
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
  s.option("unit", &O::unit,
           "extent on each axis of the blocks of tokens that are seen or hidden together, 0 for the whole axis; empty: "
           "single tokens")
      .range(0, 1 << 20);
  s.option("hide", &O::hide, {{"drop", Hide::drop}, {"mask", Hide::mask}},
           "tokens not seen do not enter the encoder, or enter it as mask tokens as in SimMIM (encoder: mask_token)");
  return s;
}

RandomMasker::RandomMasker(const RandomOptions& options) : options_(options) {}

std::vector<std::int64_t> RandomMasker::unit_of(const TokenGrid& grid) const {
  if (options_.unit.empty()) return std::vector<std::int64_t>(grid.extent.size(), 1);
  if (options_.unit.size() != grid.extent.size())
    throw ConfigError("unit", "has " + std::to_string(options_.unit.size()) + " numbers for a grid of " + grid.text(),
                      "give one number for each axis");
  std::vector<std::int64_t> unit = options_.unit;
  for (std::size_t a = 0; a < unit.size(); ++a) {
    if (unit[a] == 0) unit[a] = grid.extent[a];
    if (grid.extent[a] % unit[a] != 0)
      throw ConfigError("unit",
                        "blocks of " + std::to_string(unit[a]) + " do not tile an axis of a " + grid.text() + " grid",
                        "choose divisors of the grid");
  }
  return unit;
}

RandomMasker::Counts RandomMasker::counts(const TokenGrid& grid, std::int64_t tokens_per_unit) const {
  const std::int64_t count = grid.count() / tokens_per_unit;
  Counts n;
  n.seen = options_.context_tokens > 0 ? whole_units("context_tokens", options_.context_tokens, tokens_per_unit)
                                       : share_of(options_.context_share, count);
  n.asked = options_.target_tokens > 0 ? whole_units("target_tokens", options_.target_tokens, tokens_per_unit)
                                       : share_of(options_.target_share, count);
  if (options_.target_tokens == 0 && options_.target_share == 0.0) n.asked = count - n.seen;
  const char* seen_key = options_.context_tokens > 0 ? "context_tokens" : "context_share";
  const std::string of = " of the " + std::to_string(count) + (tokens_per_unit > 1 ? " units" : " tokens") + " of a " +
                         grid.text() + " grid";
  if (n.seen < 1 || n.seen >= count)
    throw ConfigError(seen_key, std::to_string(n.seen) + of + " are seen",
                      "at least one must be seen and one left to ask about");
  if (n.asked < 1 || n.asked > count - n.seen)
    throw ConfigError(options_.target_tokens > 0 ? "target_tokens" : "target_share",
                      std::to_string(n.seen) + " seen and " + std::to_string(n.asked) + " asked about" + of,
                      "at least one must be asked about, and both together must fit");
  return n;
}

Plan RandomMasker::plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const {
  Plan plan;
  const bool masks = options_.hide == Hide::mask;
  for (std::size_t v = 0; v < views.size(); ++v) {
    const auto units = tile(views[v].grid, unit_of(views[v].grid));
    const auto count = static_cast<std::int64_t>(units.size()), size = static_cast<std::int64_t>(units.front().size());
    const Counts n = counts(views[v].grid, size);
    const int view = static_cast<int>(v);
    for (std::int64_t draw = 0; draw < options_.contexts; ++draw) {
      const at::Tensor chosen = at::empty({batch, (masks ? count - n.seen : n.seen) * size}, at::kLong);
      std::vector<at::Tensor> asked;
      for (std::int64_t t = 0; t < options_.targets; ++t)
        asked.push_back(at::empty({batch, n.asked * size}, at::kLong));
      for (std::int64_t row = 0; row < batch; ++row) {
        auto order = rng.permutation(count);
        const std::span all(order);
        const std::span rest = all.subspan(static_cast<std::size_t>(n.seen));
        if (masks) {
          write(rest, units, chosen, row);
        } else {
          write(all.first(static_cast<std::size_t>(n.seen)), units, chosen, row);
        }
        for (const at::Tensor& target : asked) {
          if (&target != &asked.front()) rng.shuffle(rest);
          write(rest.first(static_cast<std::size_t>(n.asked)), units, target, row);
        }
      }
      for (const at::Tensor& target : asked)
        plan.queries.push_back({static_cast<int>(plan.contexts.size()), view, {target}});
      plan.contexts.push_back(masks ? Context{view, {}, {chosen}} : Context{view, {chosen}, {}});
    }
  }
  return plan;
}

}  // namespace cairn::transformer
