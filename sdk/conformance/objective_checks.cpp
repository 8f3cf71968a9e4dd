#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>

#include <cmath>
#include <set>

#include "cairn/error.h"
#include "conformance/checks.h"
#include "conformance/network_checks.h"
#include "data/plan_check.h"
#include "model/engine.h"
#include "plugin/guard.h"

namespace cairn::conformance {
namespace {

constexpr std::int64_t kCompared = 8, kOverfitSteps = 60, kAverage = 5;

/// One step of an experiment around the objective: a batch, a plan, and what the engine makes of them.
class Step {
 public:
  Step(const Part& part, const Trial& trial)
      : parts_(Rig(trial.situation, trial.levels, {part}).compose()), engine_(*parts_) {
    const auto source = parts_->modality->open(Split::train, Purpose::pretrain);
    std::vector<Sample> samples;
    for (std::int64_t index = 0; index < kCompared; ++index) {
      Rng rng(2, Stream::load, 0, static_cast<std::uint64_t>(index));
      samples.push_back(source->load(index, rng));
    }
    batch_ = parts_->modality->collate(samples, Purpose::pretrain);
    Rng rng(2, Stream::plan);
    plan_ = parts_->masker->plan(parts_->modality->views(Purpose::pretrain), kCompared, {}, rng);
    for (const auto& [name, module] : parts_->student_modules()) module->train();
  }

  Pass run() {
    at::manual_seed(4);
    return engine_.run(batch_, plan_, Progress{0, 100, 0});
  }

  Composition& parts() { return *parts_; }
  Objective& objective() { return *parts_->objectives.front().objective; }
  const Plan& plan() const { return plan_; }

 private:
  std::unique_ptr<Composition> parts_;
  Engine engine_;
  Batch batch_;
  Plan plan_;
};

bool is_scalar(const at::Tensor& x) { return x.defined() && x.numel() == 1; }

std::string check_loss(const Pass& pass) {
  require(is_scalar(pass.report.total), "LossReport::total is no scalar");
  require(std::isfinite(pass.report.total.item<double>()),
          fmt::format("the loss is {}", pass.report.total.item<double>()));
  std::set<std::string> names;
  for (const auto& [name, value] : pass.report.terms) {
    require(!name.empty() && names.insert(name).second, "a term has no name, or another one's");
    require(is_scalar(value) && std::isfinite(value.item<double>()), "term '" + name + "' is no finite scalar");
  }
  return fmt::format("{:.4g}", pass.report.total.item<double>());
}

bool has_gradient(const at::Tensor& x) {
  return x.defined() && x.grad().defined() && x.grad().count_nonzero().item<std::int64_t>() > 0;
}

std::string check_gradients(Step& step) {
  Pass pass = step.run();
  const bool from_student = step.objective().target().source == Source::student;
  std::vector<at::Tensor> watched;
  for (const Pair& pair : pass.pairs.front()) {
    require(!pair.target.defined() || from_student || !pair.target.requires_grad(), "a target carries a gradient");
    watched.push_back(pair.prediction);
  }
  for (const Encoded& context : pass.contexts) watched.insert(watched.end(), {context.pooled, context.tokens});
  std::erase_if(watched, [](const at::Tensor& x) { return !x.defined() || !x.requires_grad(); });
  for (at::Tensor& x : watched) x.retain_grad();
  require(pass.report.total.requires_grad(), "the loss depends on nothing that is trained");
  pass.report.total.backward();
  require(std::any_of(watched.begin(), watched.end(), has_gradient), "no gradient reaches a prediction or a feature");
  for (const at::Tensor& x : watched)
    require(!x.grad().defined() || x.grad().isfinite().all().item<bool>(), "a gradient is not finite");
  if (step.parts().teacher)
    for (const at::Tensor& parameter : step.parts().teacher->parameters())
      require(!parameter.grad().defined(), "a gradient reaches the teacher");
  return from_student ? "also to the targets, which are the student's own" : "";
}

std::string check_inputs(Step& step) {
  const at::NoGradGuard no_grad;
  const Pass pass = step.run();
  std::vector<at::Tensor> before;
  const auto all = [&] {
    std::vector<at::Tensor> tensors;
    for (const Pair& pair : pass.pairs.front()) tensors.insert(tensors.end(), {pair.prediction, pair.target});
    for (const Encoded& context : pass.contexts) tensors.insert(tensors.end(), {context.tokens, context.pooled});
    std::erase_if(tensors, [](const at::Tensor& x) { return !x.defined(); });
    return tensors;
  };
  for (const at::Tensor& x : all()) before.push_back(x.clone());
  const StepView view{pass.pairs.front(), pass.contexts, &step.plan(), Progress{0, 100, 0}};
  step.objective().evaluate(view);
  step.objective().settle(view);
  const auto after = all();
  for (std::size_t i = 0; i < after.size(); ++i)
    require(after[i].equal(before[i]), "evaluate() or settle() writes into what it is given");
  return {};
}

at::Tensor reordered(const at::Tensor& x, const at::Tensor& order) {
  return x.defined() ? x.index_select(0, order) : x;
}

/// The same step with the rows of the batch in another order.
class Reordered {
 public:
  Reordered(const Pass& pass, const Plan& plan, const at::Tensor& order) : plan_(plan) {
    for (Context& context : plan_.contexts) {
      context.visible.index = reordered(context.visible.index, order);
      context.masked.index = reordered(context.masked.index, order);
    }
    for (Query& query : plan_.queries) query.where.index = reordered(query.where.index, order);
    for (const Encoded& context : pass.contexts)
      contexts_.push_back(
          {reordered(context.tokens, order), reordered(context.pooled, order), {}, reordered(context.special, order)});
    // Pairs about one view share their target, and objectives may rely on it.
    std::vector<std::pair<at::Tensor, at::Tensor>> targets;
    for (const Pair& pair : pass.pairs.front()) {
      at::Tensor target;
      for (const auto& [old, made] : targets)
        if (pair.target.defined() && old.is_same(pair.target)) target = made;
      if (!target.defined()) targets.emplace_back(pair.target, target = reordered(pair.target, order));
      const auto number = pair.query - plan.queries.data();
      pairs_.push_back({reordered(pair.prediction, order), target, &plan_.queries[static_cast<std::size_t>(number)]});
    }
  }
  Reordered(const Reordered&) = delete;
  Reordered& operator=(const Reordered&) = delete;

  double loss(Objective& objective) const {
    at::manual_seed(6);
    return objective.evaluate({pairs_, contexts_, &plan_, Progress{0, 100, 0}}).total.item<double>();
  }

 private:
  Plan plan_;
  std::vector<Encoded> contexts_;
  std::vector<Pair> pairs_;
};

std::string check_order(Step& step) {
  const at::NoGradGuard no_grad;
  const Pass pass = step.run();
  const at::Tensor straight = at::arange(kCompared, at::kLong);
  const double loss = Reordered(pass, step.plan(), straight).loss(step.objective());
  const double other = Reordered(pass, step.plan(), straight.flip({0})).loss(step.objective());
  require(std::abs(other - loss) <= kSame * std::max(1.0, std::abs(loss)),
          fmt::format("the loss is {:.6g}, with the batch in another order {:.6g}", loss, other));
  return {};
}

/// Loss after `kOverfitSteps` on one batch, with the teacher and the objective's own buffers left alone.
std::string check_overfit(Step& step) {
  std::vector<at::Tensor> parameters;
  for (const auto& [name, module] : step.parts().student_modules())
    for (const at::Tensor& parameter : module->parameters())
      if (parameter.requires_grad()) parameters.push_back(parameter);
  torch::optim::Adam adam(parameters, torch::optim::AdamOptions(3e-3));
  std::vector<double> losses;
  for (std::int64_t number = 0; number < kOverfitSteps; ++number) {
    adam.zero_grad();
    const at::Tensor loss = step.run().report.total;
    loss.backward();
    adam.step();
    losses.push_back(loss.item<double>());
    require(std::isfinite(losses.back()), fmt::format("the loss is {} at step {}", losses.back(), number + 1));
  }
  double last = 0;
  for (std::int64_t i = 0; i < kAverage; ++i)
    last += losses[losses.size() - 1 - static_cast<std::size_t>(i)] / kAverage;
  require(last < losses.front(), fmt::format("from {:.4g} to {:.4g} in {} steps", losses.front(), last, kOverfitSteps));
  return fmt::format("from {:.4g} to {:.4g} in {} steps", losses.front(), last, kOverfitSteps);
}

/// The first situation with enough views that an experiment around the objective can be made of.
std::optional<Trial> accepted(const Part& part, std::string& refusal) {
  const auto objective = part.objective({32, 2, situations_with_views(1).front().tokenizer});
  const TargetSpec spec = objective->target();
  const int views = std::max(spec.views, spec.level == Level::pooled ? 2 : 1);
  for (const Situation& situation : situations_with_views(views)) try {
      const Trial trial{situation, {spec.level}};
      Step(part, trial).run();
      return trial;
    } catch (const Error& error) {
      refusal = situation.text + ": " + error.what();
    }
  return std::nullopt;
}

}  // namespace

std::optional<Trial> check_objective(const Part& part, Findings& findings) {
  std::optional<Trial> trial;
  findings.check("it judges the answers of an experiment",
                 "target() says what evaluate() is given: check Level, views and width", [&] {
                   std::string refusal;
                   trial = accepted(part, refusal);
                   require(trial.has_value(), refusal);
                   return trial->situation.text;
                 });
  if (!trial) return std::nullopt;
  Step step(part, *trial);
  findings.check("the loss is a finite scalar, and so is each term",
                 "look for logarithms and divisions without a floor", [&] { return check_loss(step.run()); });
  findings.check("gradients reach predictions or features, and no target",
                 "refine() must not make targets that are trained, and evaluate() must not detach predictions",
                 [&] { return check_gradients(step); });
  findings.check("what it is given stays as it is",
                 "no in-place functions (mul_, copy_, …) on predictions, targets or contexts",
                 [&] { return check_inputs(step); });
  findings.check("the order of the batch does not matter",
                 "a loss is a mean or sum over rows; look for rows that are told apart by number",
                 [&] { return check_order(step); });
  findings.check("it falls on one batch that is learned by heart",
                 "the sign of the loss, or a stop-gradient in the wrong place", [&] {
                   Step fresh(part, *trial);
                   return check_overfit(fresh);
                 });
  return trial;
}

}  // namespace cairn::conformance
