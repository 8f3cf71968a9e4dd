#include "views.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "cairn/collective.h"
#include "cairn/error.h"

namespace cairn::contrastive {

TargetSpec pooled_target(Source source, int views) {
  TargetSpec spec;
  spec.source = source;
  spec.level = Level::pooled;
  spec.views = views;
  return spec;
}

std::vector<at::Tensor> answers(const StepView& step, const std::string& who) {
  std::vector<at::Tensor> found;
  std::set<int> contexts;
  for (const Pair& pair : step.pairs)
    if (contexts.insert(pair.query->context).second) found.push_back(pair.prediction.to(at::kFloat));
  if (found.size() < 2)
    throw Error("fewer than two views answered", who,
                "use a masker that asks several views, such as contrastive.cross");
  for (const at::Tensor& answer : found)
    if (answer.dim() != 2 || answer.sizes() != found.front().sizes())
      throw Error("the answers are not one vector a sample, or differ in width", who,
                  "use a masker that asks about whole views");
  return found;
}

void check_rows(std::int64_t rows, const std::string& who) {
  if (rows < 2)
    throw Error("a batch of one sample has no other to compare it with", who,
                "raise train.batch_size, or lower train.accumulate");
}

std::vector<at::Tensor> gathered_answers(const StepView& step, const std::string& who) {
  std::vector<at::Tensor> views = answers(step, who);
  for (at::Tensor& view : views) view = gather_rows(view);
  check_rows(views.front().size(0), who);
  return views;
}

at::Tensor unit_rows(const at::Tensor& x) { return x / x.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12); }

void check_pair(const Pair& pair, const std::string& who) {
  if (!pair.target.defined() || pair.prediction.dim() != 2 || pair.prediction.sizes() != pair.target.sizes())
    throw Error("a prediction has another shape than its target", who,
                "use a masker that asks about whole views, and a predictor of them");
}

std::vector<at::Tensor> distinct_targets(const StepView& step) {
  std::vector<at::Tensor> found;
  for (const Pair& pair : step.pairs)
    if (std::none_of(found.begin(), found.end(), [&](const at::Tensor& t) { return t.is_same(pair.target); }))
      found.push_back(pair.target);
  return found;
}

at::Tensor spread(const at::Tensor& x) {
  const at::Tensor rows = unit_rows(x.detach().to(at::kFloat));
  return rows.std(0, /*unbiased=*/false).mean() * std::sqrt(static_cast<double>(rows.size(1)));
}

}  // namespace cairn::contrastive
