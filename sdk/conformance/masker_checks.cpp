#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <limits>

#include "cairn/error.h"
#include "conformance/checks.h"
#include "data/plan_check.h"

namespace cairn::conformance {
namespace {

constexpr std::int64_t kMasked = 6, kPlans = 32;

Plan plan_for(const Masker& masker, const Situation& situation, std::uint64_t number) {
  Rng rng(7, Stream::plan, 0, number);
  return masker.plan(situation.views, kMasked, Progress{static_cast<std::int64_t>(number), kPlans, 0}, rng);
}

bool same_tokens(const TokenSet& a, const TokenSet& b) {
  return a.all() == b.all() && (a.all() || a.index.equal(b.index)) && a.lengths == b.lengths;
}

bool same_plan(const Plan& a, const Plan& b) {
  const auto same_context = [](const Context& x, const Context& y) {
    return x.view == y.view && same_tokens(x.visible, y.visible) && same_tokens(x.masked, y.masked);
  };
  const auto same_query = [](const Query& x, const Query& y) {
    return x.context == y.context && x.view == y.view && same_tokens(x.where, y.where) && x.level == y.level &&
           x.group == y.group && x.seen_too == y.seen_too;
  };
  return a.may_overlap == b.may_overlap &&
         std::equal(a.contexts.begin(), a.contexts.end(), b.contexts.begin(), b.contexts.end(), same_context) &&
         std::equal(a.queries.begin(), a.queries.end(), b.queries.begin(), b.queries.end(), same_query);
}

void require_unique(const TokenSet& set, const std::string& what) {
  if (set.all()) return;
  for (std::int64_t row = 0; row < set.index.size(0); ++row) {
    const at::Tensor ids = set.index[row];
    const std::int64_t length = set.is_ragged() ? set.lengths[static_cast<std::size_t>(row)] : ids.size(0);
    const at::Tensor sorted = std::get<0>(ids.narrow(0, 0, length).sort());
    require((sorted.diff() > 0).all().item<bool>(), "a row of " + what + " names a token twice");
    require(ids.narrow(0, length - 1, ids.size(0) - length + 1).eq(ids[length - 1]).all().item<bool>(),
            "what follows a shorter row of " + what + " does not repeat its last token");
  }
}

/// Least and largest share of a view.
struct Range {
  double low = 1, high = 0;
  void add(double share) {
    low = std::min(low, share);
    high = std::max(high, share);
  }
  std::string text() const {
    if (low > high) return "nothing";
    return low == high ? fmt::format("{:.0f} %", 100 * low) : fmt::format("{:.0f} to {:.0f} %", 100 * low, 100 * high);
  }
};

double share(const TokenSet& set, const TokenGrid& grid) {
  return set.all() ? 1.0 : static_cast<double>(set.index.size(1)) / static_cast<double>(grid.count());
}

/// Every plan is sound. Returns what they show and ask.
std::string check_plans(const Masker& masker, const Situation& situation) {
  Range seen, asked;
  std::size_t contexts = 0, queries = 0, whole = 0;
  bool overlaps = false;
  for (std::uint64_t number = 0; number < kPlans; ++number) {
    const Plan plan = plan_for(masker, situation, number);
    check_plan(plan, situation.views, kMasked);
    for (const Context& context : plan.contexts) {
      const TokenGrid& grid = situation.views[static_cast<std::size_t>(context.view)].grid;
      require_unique(context.visible, "visible tokens");
      require_unique(context.masked, "masked tokens");
      seen.add(share(context.visible, grid) - (context.masked.all() ? 0.0 : share(context.masked, grid)));
    }
    for (const Query& query : plan.queries) {
      require_unique(query.where, "asked tokens");
      whole += query.level == Level::pooled;
      if (query.level == Level::tokens)
        asked.add(share(query.where, situation.views[static_cast<std::size_t>(query.view)].grid));
    }
    contexts = std::max(contexts, plan.contexts.size());
    queries = std::max(queries, plan.queries.size());
    overlaps = overlaps || plan.may_overlap;
  }
  return fmt::format("{}: {} contexts of {} of their view, {} queries{}{}{}", situation.text, contexts, seen.text(),
                     queries, asked.low > asked.high ? "" : " of " + asked.text(),
                     whole > 0 ? ", about whole views" : "", overlaps ? ", which may overlap" : "");
}

std::string check_generator(const Masker& masker, const Situation& situation) {
  const at::Generator generator = at::detail::getDefaultCPUGenerator();
  at::manual_seed(1);
  const at::Tensor before = generator.get_state();
  const Plan first = plan_for(masker, situation, 0);
  require(generator.get_state().equal(before), "it draws from torch's own generator");
  std::vector<std::future<Plan>> others;
  for (int thread = 0; thread < 4; ++thread)
    others.push_back(std::async(std::launch::async, [&] { return plan_for(masker, situation, 0); }));
  for (auto& other : others) require(same_plan(first, other.get()), "the same generator state gives another plan");
  return {};
}

/// How often each token of the first view is seen or asked, over many plans: tokens that never are may be a mistake.
std::string count_tokens(const Masker& masker, const Situation& situation) {
  const std::int64_t count = situation.views.front().grid.count();
  const at::Tensor used = at::zeros({count}, at::kDouble);
  const auto add = [&](int view, const TokenSet& set) {
    if (view == 0) used.add_(set.all() ? at::ones({count}, at::kDouble) : at::bincount(set.index.flatten(), {}, count));
  };
  for (std::uint64_t number = 0; number < kPlans; ++number) {
    const Plan plan = plan_for(masker, situation, number);
    for (const Context& context : plan.contexts) add(context.view, context.visible);
    for (const Query& query : plan.queries) add(query.view, query.where);
  }
  const auto never = count - used.count_nonzero().item<std::int64_t>();
  require(never == 0, fmt::format("{} of {} tokens are never seen or asked about in {} plans of {} rows", never, count,
                                  kPlans, kMasked));
  return fmt::format("the rarest at {:.0f} % of the mean", 100 * (used.min() / used.mean()).item<double>());
}

std::vector<Situation> accepted(const Masker& masker, std::span<const Situation> situations) {
  std::vector<Situation> taken;
  std::string refusal;
  for (const Situation& situation : situations) try {
      plan_for(masker, situation, 0);
      taken.push_back(situation);
    } catch (const ConfigError& error) {
      refusal = situation.text + ": " + error.what();
    }
  require(!taken.empty(), refusal);
  return taken;
}

Levels levels_of(const Masker& masker, const Situation& situation) {
  Levels levels;
  for (const Query& query : plan_for(masker, situation, 0).queries) levels.insert(query.level);
  return levels;
}

}  // namespace

std::optional<Trial> check_masker(const Part& part, std::span<const Situation> situations, Findings& findings) {
  std::shared_ptr<Masker> masker;
  std::vector<Situation> taken;
  findings.check(
      "it plans for some kind of view",
      "it refused views of one, two and three axes; ConfigError is for grids that leave nothing to see or ask, "
      "any other exception is a mistake",
      [&] {
        masker = part.masker();
        taken = accepted(*masker, situations);
        return fmt::format("{} of {}: first {}", taken.size(), situations.size(), taken.front().text);
      });
  if (taken.empty()) return std::nullopt;
  const bool is_sound = findings.check(
      "ids are unique and in range, as many in every row, none both seen and asked about",
      "cut every row to the same number of tokens; set Plan::may_overlap where seen tokens are asked about on purpose",
      [&] {
        std::string text;
        for (const Situation& situation : taken) text += (text.empty() ? "" : "\n") + check_plans(*masker, situation);
        return text;
      });
  if (!is_sound) return std::nullopt;
  findings.check("only the generator it is given decides",
                 "draw from the Rng handed to plan(), keep no mutable state: plans are made on several threads",
                 [&] { return check_generator(*masker, taken.front()); });
  findings.check("every token has its turn", "look at the bounds of the places that are drawn",
                 [&] { return count_tokens(*masker, taken.front()); });
  return Trial{taken.front(), levels_of(*masker, taken.front())};
}

}  // namespace cairn::conformance
