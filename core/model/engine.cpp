#include "model/engine.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <optional>
#include <tuple>
#include <utility>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"
#include "plugin/guard.h"

namespace cairn {
namespace {

/// What token sets must share to stand in one: columns, -1 for all tokens, and whether rows are of unequal length.
using SetShape = std::pair<std::int64_t, bool>;

SetShape shape_of(const TokenSet& set) { return {set.all() ? -1 : set.index.size(1), set.is_ragged()}; }

at::Tensor join(const std::vector<at::Tensor>& parts) { return parts.size() == 1 ? parts.front() : at::cat(parts); }

TokenSet join_sets(const std::vector<const TokenSet*>& sets) {
  if (sets.front()->all()) return {};
  std::vector<at::Tensor> parts;
  std::vector<std::int64_t> lengths;
  for (const TokenSet* set : sets) {
    parts.push_back(set->index);
    lengths.insert(lengths.end(), set->lengths.begin(), set->lengths.end());
  }
  return {join(parts), std::move(lengths)};
}

at::Tensor rows(const at::Tensor& joined, std::size_t part, std::int64_t batch) {
  return joined.defined() ? joined.narrow(0, static_cast<std::int64_t>(part) * batch, batch) : joined;
}

void require_packing(bool can_pack, const std::string& type) {
  if (!can_pack) throw Error("rows of unequal length came to " + type, "the masker's plan", "it takes equal ones only");
}

/// Groups the numbers 0 … n-1 by equal key, in order of first appearance.
template <class Key, class F>
std::vector<std::vector<std::size_t>> group_by(std::size_t n, F&& key_of) {
  std::vector<std::vector<std::size_t>> groups;
  std::map<Key, std::size_t> known;
  for (std::size_t i = 0; i < n; ++i) {
    const auto [found, added] = known.emplace(key_of(i), groups.size());
    if (added) groups.emplace_back();
    groups[found->second].push_back(i);
  }
  return groups;
}

}  // namespace

Pass Engine::run(const Batch& batch, const Plan& plan, const Progress& progress) {
  Pass pass;
  pass.contexts = encode(*parts_.student, batch, plan.contexts, {});
  const std::map<int, Encoded> encoded = encode_targets(batch, plan, pass.contexts);
  RawTargets raw;
  if (parts_.target.source != Source::none)
    for (std::size_t q = 0; q < plan.queries.size(); ++q)
      if (at::Tensor& target = raw[{plan.queries[q].level, slot(plan, q)}]; !target.defined())
        target = raw_target(batch, plan, q, encoded);
  const std::vector<at::Tensor> predictions = predict(batch, plan, pass.contexts);

  for (const WeightedObjective& part : parts_.objectives) {
    const std::map<int, at::Tensor> refined = refine(*part.objective, raw);
    if (pass.pairs.empty() && !refined.empty() && refined.begin()->second.dim() == 3)
      pass.targets = refined.begin()->second.detach();
    pass.pairs.push_back(pair(part.objective->target().level, batch, plan, refined, predictions));
    const LossReport own = call_plugin(part.type, [&] {
      return part.objective->evaluate({pass.pairs.back(), pass.contexts, &plan, progress});
    });
    const at::Tensor weighted = own.total * part.weight;
    pass.report.total = pass.report.total.defined() ? pass.report.total + weighted : weighted;
    for (const auto& [name, value] : own.terms)
      pass.report.terms.emplace_back(parts_.objectives.size() > 1 ? part.type + "/" + name : name, value);
  }
  const at::NoGradGuard no_grad;
  pass.features = encoded.empty() ? pass.contexts.front().pooled : encoded.begin()->second.pooled;
  return pass;
}

bool Engine::is_steady(const Progress& progress) const {
  return std::all_of(parts_.objectives.begin(), parts_.objectives.end(),
                     [&](const WeightedObjective& part) { return part.objective->is_steady(progress); });
}

void Engine::settle(std::span<const Pass> passes, const Plan& plan, const Progress& progress) {
  const at::NoGradGuard no_grad;
  std::vector<Encoded> contexts;
  for (const Pass& pass : passes) contexts.insert(contexts.end(), pass.contexts.begin(), pass.contexts.end());
  for (std::size_t i = 0; i < parts_.objectives.size(); ++i) {
    const WeightedObjective& part = parts_.objectives[i];
    std::vector<Pair> pairs;
    for (const Pass& pass : passes) pairs.insert(pairs.end(), pass.pairs[i].begin(), pass.pairs[i].end());
    call_plugin(part.type, [&] { part.objective->settle({pairs, contexts, &plan, progress}); });
  }
}

std::vector<Encoded> Engine::encode(Branch& branch, const Batch& batch, std::span<const Context> contexts,
                                    const std::vector<std::int64_t>& taps) {
  const auto view_of = [&](std::size_t i) -> const View& {
    return batch.views[static_cast<std::size_t>(contexts[i].view)];
  };
  using Key = std::tuple<std::vector<std::int64_t>, SetShape, SetShape, int>;
  const auto groups = group_by<Key>(contexts.size(), [&](std::size_t i) {
    return Key{view_of(i).data.sizes().vec(), shape_of(contexts[i].visible), shape_of(contexts[i].masked),
               stack_of(contexts[i])};
  });
  std::vector<Encoded> encoded(contexts.size());
  for (const auto& members : groups) {
    std::vector<at::Tensor> data;
    std::vector<const TokenSet*> visible, masked;
    for (const std::size_t i : members) {
      data.push_back(view_of(i).data);
      visible.push_back(&contexts[i].visible);
      masked.push_back(&contexts[i].masked);
    }
    const View& first = view_of(members.front());
    const View joined{join(data), first.grid, first.role};
    const Look look{join_sets(visible), join_sets(masked), taps};
    if (look.visible.is_ragged()) require_packing(branch.encoder().can_pack(), parts_.encoder_type);
    const Encoded all = branch.encode(joined, look);
    for (std::size_t m = 0; m < members.size(); ++m) {
      Encoded& own = encoded[members[m]];
      own = {
          rows(all.tokens, m, batch.size()), rows(all.pooled, m, batch.size()), {}, rows(all.special, m, batch.size())};
      for (const at::Tensor& tap : all.taps) own.taps.push_back(rows(tap, m, batch.size()));
    }
  }
  return encoded;
}

bool Engine::is_asked_alone(Level level) const {
  return parts_.target.asked_only || (level == Level::tokens && parts_.projects_tokens);
}

int Engine::slot(const Plan& plan, std::size_t query) const {
  const Query& asked = plan.queries[query];
  return is_asked_alone(asked.level) ? static_cast<int>(query) : asked.view;
}

std::map<int, Encoded> Engine::encode_targets(const Batch& batch, const Plan& plan,
                                              const std::vector<Encoded>& contexts) {
  const Source source = parts_.target.source;
  std::map<int, Encoded> encoded;
  if (source == Source::input || source == Source::none) return encoded;
  std::optional<at::NoGradGuard> no_grad;
  if (source != Source::student) no_grad.emplace();
  Branch& branch = source == Source::teacher ? *parts_.teacher : *parts_.student;
  if (parts_.target.asked_only) {
    std::vector<Context> asked;
    for (const Query& query : plan.queries) asked.push_back({query.view, query.where, {}});
    const std::vector<Encoded> all = encode(branch, batch, asked, parts_.target.taps);
    for (std::size_t q = 0; q < all.size(); ++q) encoded[static_cast<int>(q)] = all[q];
    return encoded;
  }
  for (const Query& query : plan.queries)
    if (!encoded.contains(query.view)) encoded[query.view] = encode_whole(branch, batch, plan, query.view, contexts);
  return encoded;
}

Encoded Engine::encode_whole(Branch& branch, const Batch& batch, const Plan& plan, int view,
                             const std::vector<Encoded>& contexts) const {
  // A student that saw the view whole need not look again.
  for (std::size_t i = 0; &branch == parts_.student.get() && parts_.target.taps.empty() && i < contexts.size(); ++i)
    if (plan.contexts[i].view == view && plan.contexts[i].visible.all() && plan.contexts[i].masked.all())
      return contexts[i];
  return branch.encode(batch.views[static_cast<std::size_t>(view)], {{}, {}, parts_.target.taps});
}

at::Tensor Engine::raw_target(const Batch& batch, const Plan& plan, std::size_t q,
                              const std::map<int, Encoded>& encoded) const {
  const Query& query = plan.queries[q];
  const Source source = parts_.target.source;
  if (source == Source::input) {
    const at::Tensor patches = parts_.modality->patches(batch.views[static_cast<std::size_t>(query.view)]);
    return is_asked_alone(query.level) ? nn::gather_tokens(patches, query.where) : patches;
  }
  const bool is_apart = parts_.target.asked_only;
  const Encoded& found = encoded.at(is_apart ? static_cast<int>(q) : query.view);
  at::Tensor target = query.level == Level::pooled ? found.pooled : found.tokens;
  if (!parts_.target.taps.empty()) target = at::cat(found.taps, -1);
  if (!is_apart && is_asked_alone(query.level)) target = nn::gather_tokens(target, query.where);
  if (source == Source::student) return projected(*parts_.student, query.level, target);
  const at::NoGradGuard no_grad;
  return projected(source == Source::teacher ? *parts_.teacher : *parts_.student, query.level, target.detach());
}

at::Tensor Engine::projected(Branch& branch, Level level, const at::Tensor& features) const {
  return parts_.projects_tokens && level == Level::tokens ? branch.project_tokens(features) : features;
}

std::vector<at::Tensor> Engine::own_answers(const Plan& plan, const std::vector<Encoded>& contexts) const {
  std::vector<at::Tensor> answers;
  for (const Query& query : plan.queries) {
    const Encoded& seen = contexts[static_cast<std::size_t>(query.context)];
    answers.push_back(query.level == Level::pooled ? seen.pooled : nn::gather_tokens(seen.tokens, query.where));
  }
  if (!parts_.projects_tokens) return answers;
  using Key = std::pair<std::vector<std::int64_t>, int>;
  const auto groups = group_by<Key>(answers.size(), [&](std::size_t q) {
    const auto context = static_cast<std::size_t>(plan.queries[q].context);
    return Key{answers[q].sizes().vec(), stack_of(plan.contexts[context])};
  });
  for (const auto& members : groups) {
    if (plan.queries[members.front()].level == Level::pooled) continue;  // [B,O], projected already
    std::vector<at::Tensor> parts;
    for (const std::size_t q : members) parts.push_back(answers[q]);
    const auto all = parts_.student->project_tokens(join(parts)).chunk(static_cast<std::int64_t>(members.size()));
    for (std::size_t m = 0; m < members.size(); ++m) answers[members[m]] = all[m];
  }
  return answers;
}

std::vector<at::Tensor> Engine::predict(const Batch& batch, const Plan& plan, const std::vector<Encoded>& contexts) {
  if (!parts_.predictor) return own_answers(plan, contexts);
  std::vector<at::Tensor> answers(plan.queries.size());
  const auto context_of = [&](std::size_t i) -> const Context& {
    return plan.contexts[static_cast<std::size_t>(plan.queries[i].context)];
  };
  const auto grid_of = [&](int view) -> const TokenGrid& { return batch.views[static_cast<std::size_t>(view)].grid; };
  using Key =
      std::tuple<std::vector<std::int64_t>, std::vector<std::int64_t>, SetShape, SetShape, Level, int, bool, int>;
  const auto groups = group_by<Key>(plan.queries.size(), [&](std::size_t i) {
    const Query& query = plan.queries[i];
    return Key{grid_of(context_of(i).view).extent,
               grid_of(query.view).extent,
               shape_of(context_of(i).visible),
               shape_of(query.where),
               query.level,
               query.group,
               query.seen_too,
               stack_of(context_of(i))};
  });
  for (const auto& members : groups) {
    const Query& first = plan.queries[members.front()];
    std::vector<at::Tensor> tokens, pooled, special;
    std::vector<const TokenSet*> seen_at, asked_at;
    for (const std::size_t i : members) {
      const Encoded& seen = contexts[static_cast<std::size_t>(plan.queries[i].context)];
      tokens.push_back(seen.tokens);
      pooled.push_back(seen.pooled);
      if (seen.special.defined()) special.push_back(seen.special);
      seen_at.push_back(&context_of(i).visible);
      asked_at.push_back(&plan.queries[i].where);
    }
    const at::Tensor seen = projected(*parts_.student, first.level, join(tokens));
    if (seen_at.front()->is_ragged()) require_packing(parts_.predictor->can_pack(), parts_.predictor_type);
    const Question question{{seen, join(pooled), {}, special.empty() ? at::Tensor() : join(special)},
                            grid_of(context_of(members.front()).view),
                            join_sets(seen_at),
                            grid_of(first.view),
                            join_sets(asked_at),
                            first.level,
                            first.group,
                            first.seen_too};
    const at::Tensor all = call_plugin(parts_.predictor_type, [&] { return parts_.predictor->predict(question); });
    for (std::size_t m = 0; m < members.size(); ++m) answers[members[m]] = rows(all, m, batch.size());
  }
  return answers;
}

std::map<int, at::Tensor> Engine::refine(Objective& objective, const RawTargets& raw) const {
  std::optional<at::NoGradGuard> no_grad;
  if (parts_.target.source != Source::student) no_grad.emplace();
  const Level level = objective.target().level;
  std::map<int, at::Tensor> refined;
  for (const auto& [key, target] : raw)
    if (key.first == level) refined[key.second] = objective.refine(target);
  return refined;
}

std::vector<Pair> Engine::pair(Level level, const Batch& batch, const Plan& plan,
                               const std::map<int, at::Tensor>& refined,
                               const std::vector<at::Tensor>& predictions) const {
  const bool differentiable = parts_.target.source == Source::student;
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < plan.queries.size(); ++i) {
    const Query& query = plan.queries[i];
    if (query.level != level) continue;
    at::Tensor target;
    const bool is_gathered = query.level == Level::pooled || is_asked_alone(query.level);
    if (const auto found = refined.find(slot(plan, i)); found != refined.end())
      target = is_gathered ? found->second : nn::gather_tokens(found->second, query.where);
    if (target.defined() && target.requires_grad() && !differentiable)
      throw Error("a target carries a gradient although its source is not the student");
    pairs.push_back({predictions[i], target, &query, batch.views[static_cast<std::size_t>(query.view)].grid});
  }
  return pairs;
}

}  // namespace cairn
