#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "cairn/objective.h"

namespace cairn::test {

/// A step over whole views: answers[a] answers every query about a view b != a that has a target.
struct ViewStep {
  std::vector<at::Tensor> answers, targets;
  std::vector<Encoded> contexts;
  std::vector<Pair> pairs;
  Plan plan;
  Progress progress;

  /// Without targets, every view is asked about and the pairs carry none.
  ViewStep(std::vector<at::Tensor> online, std::vector<at::Tensor> wanted) : answers(online), targets(wanted) {
    const std::size_t asked = targets.empty() ? answers.size() : targets.size();
    for (std::size_t from = 0; from < answers.size(); ++from) {
      answers[from].set_requires_grad(true);
      contexts.push_back({{}, answers[from], {}});
      plan.contexts.push_back({static_cast<int>(from), {}, {}});
      for (std::size_t to = 0; to < asked; ++to)
        if (from != to) plan.queries.push_back({static_cast<int>(from), static_cast<int>(to), {}, Level::pooled, 0});
    }
    for (const Query& query : plan.queries)
      pairs.push_back({answers[static_cast<std::size_t>(query.context)],
                       targets.empty() ? at::Tensor() : targets[static_cast<std::size_t>(query.view)], &query});
  }
  ViewStep(const ViewStep&) = delete;
  ViewStep& operator=(const ViewStep&) = delete;

  StepView view() const { return {pairs, contexts, &plan, progress}; }
  LossReport evaluate(Objective& objective) const { return objective.evaluate(view()); }
};

inline std::vector<at::Tensor> random_views(std::size_t count, std::int64_t batch, std::int64_t width) {
  std::vector<at::Tensor> views;
  for (std::size_t i = 0; i < count; ++i) views.push_back(at::randn({batch, width}));
  return views;
}

}  // namespace cairn::test
