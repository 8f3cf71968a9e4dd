#include "data/plan_check.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cairn/error.h"

namespace cairn {
namespace {

[[noreturn]] void fault(const std::string& what) { throw Error("the masker's plan is wrong: " + what); }

void check_tokens(const TokenSet& set, std::int64_t count, std::int64_t batch, const char* what) {
  if (set.all()) return;
  const at::Tensor& index = set.index;
  if (index.dim() != 2 || index.scalar_type() != at::kLong) fault(fmt::format("{} ids must be int64 [B,K]", what));
  if (index.size(0) != batch) fault(fmt::format("{} ids have {} rows for a batch of {}", what, index.size(0), batch));
  if (index.size(1) == 0) fault(fmt::format("no {} tokens are left", what));
  const at::Tensor flat = index.contiguous();
  const auto* ids = flat.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < flat.numel(); ++i)
    if (ids[i] < 0 || ids[i] >= count)
      fault(fmt::format("{} id {} is outside a grid of {} tokens", what, ids[i], count));
}

/// Only what is seen may be ragged: questions and hidden tokens are as many in every row.
void check_lengths(const TokenSet& set, std::int64_t batch, const char* what, bool may_be_ragged) {
  if (!set.is_ragged()) return;
  if (!may_be_ragged || set.all()) fault(fmt::format("{} ids have lengths, which only visible ids may have", what));
  if (static_cast<std::int64_t>(set.lengths.size()) != batch)
    fault(fmt::format("{} ids have {} lengths for a batch of {}", what, set.lengths.size(), batch));
  const auto [shortest, longest] = std::minmax_element(set.lengths.begin(), set.lengths.end());
  if (*shortest < 1 || *longest != set.index.size(1))
    fault(fmt::format("{} ids of {} columns have lengths of {} to {}", what, set.index.size(1), *shortest, *longest));
}

/// Rows of one byte a token: 1 where the context shows the token itself.
std::vector<char> seen_tokens(const Context& context, std::int64_t count, std::int64_t batch) {
  std::vector<char> seen(static_cast<std::size_t>(count * batch), context.visible.all() ? 1 : 0);
  const auto mark = [&](const TokenSet& set, char value) {
    if (set.all()) return;
    const at::Tensor flat = set.index.contiguous();
    const auto* ids = flat.const_data_ptr<std::int64_t>();
    const std::int64_t columns = flat.size(1);
    for (std::int64_t i = 0; i < flat.numel(); ++i)
      seen[static_cast<std::size_t>(i / columns * count + ids[i])] = value;
  };
  mark(context.visible, 1);
  mark(context.masked, 0);
  return seen;
}

/// The ids that are asked about for the first time, [B,H]; a fault if those behind them are not what the context shows.
at::Tensor hidden_part(const Query& query, const Context& context) {
  if (!query.seen_too) return query.where.index;
  if (query.where.all() || context.visible.all()) fault("a query about seen tokens too must list them");
  if (context.visible.is_ragged()) fault("a query about seen tokens too needs rows of one length");
  const std::int64_t seen = context.visible.index.size(1), hidden = query.where.index.size(1) - seen;
  if (context.view != query.view || hidden < 1 ||
      !query.where.index.narrow(1, hidden, seen).equal(context.visible.index))
    fault("a query about seen tokens too must end with what its context shows");
  return query.where.index.narrow(1, 0, hidden);
}

void check_disjoint(const Query& query, const Context& context, std::int64_t count, std::int64_t batch) {
  if (query.where.all()) {
    if (!context.visible.all() || context.masked.all())
      fault("a query asks about every token of the view its context sees");
    return;
  }
  const std::vector<char> seen = seen_tokens(context, count, batch);
  const at::Tensor flat = hidden_part(query, context).contiguous();
  const auto* ids = flat.const_data_ptr<std::int64_t>();
  const std::int64_t columns = flat.size(1);
  for (std::int64_t i = 0; i < flat.numel(); ++i)
    if (seen[static_cast<std::size_t>(i / columns * count + ids[i])])
      fault(fmt::format("token {} of sample {} is both seen and asked about", ids[i], i / columns));
}

}  // namespace

std::string count_text(const TokenSet& set, const TokenGrid& grid) {
  if (set.all()) return std::to_string(grid.count());
  if (!set.is_ragged()) return std::to_string(set.index.size(1));
  const auto [shortest, longest] = std::minmax_element(set.lengths.begin(), set.lengths.end());
  return fmt::format("{} to {}", *shortest, *longest);
}

void check_plan(const Plan& plan, std::span<const ViewLayout> views, std::int64_t batch) {
  if (plan.contexts.empty()) fault("there is no context");
  if (plan.queries.empty()) fault("there is no query");
  const auto view_ok = [&](int v) { return v >= 0 && v < static_cast<int>(views.size()); };
  for (const Context& context : plan.contexts) {
    if (!view_ok(context.view)) fault(fmt::format("a context looks at view {} of {}", context.view, views.size()));
    const std::int64_t count = views[static_cast<std::size_t>(context.view)].grid.count();
    check_tokens(context.visible, count, batch, "visible");
    check_tokens(context.masked, count, batch, "masked");
    check_lengths(context.visible, batch, "visible", /*may_be_ragged=*/true);
    check_lengths(context.masked, batch, "masked", /*may_be_ragged=*/false);
  }
  for (const Query& query : plan.queries) {
    if (!view_ok(query.view)) fault(fmt::format("a query asks about view {} of {}", query.view, views.size()));
    if (query.context < 0 || query.context >= static_cast<int>(plan.contexts.size()))
      fault(fmt::format("a query refers to context {} of {}", query.context, plan.contexts.size()));
    const std::int64_t count = views[static_cast<std::size_t>(query.view)].grid.count();
    check_tokens(query.where, count, batch, "asked");
    check_lengths(query.where, batch, "asked", /*may_be_ragged=*/false);
    const Context& context = plan.contexts[static_cast<std::size_t>(query.context)];
    if (query.seen_too || (!plan.may_overlap && query.level == Level::tokens && context.view == query.view))
      check_disjoint(query, context, count, batch);
  }
}

}  // namespace cairn
