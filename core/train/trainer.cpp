#include "train/trainer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/nn/modules/batchnorm.h>

#include <cmath>
#include <limits>

#include "cairn/error.h"
#include "data/device_copy.h"
#include "data/view_check.h"
#include "kernels/adamw.h"
#include "kernels/compute_stream.h"
#include "nn/autocast.h"
#include "nn/recompute.h"
#include "nn/training_pass.h"
#include "train/divergence.h"
#include "train/flat_networks.h"
#include "train/flop_counter.h"
#include "train/interrupt.h"

namespace cairn {
namespace {

bool is_batch_norm(const torch::nn::Module& module) {
  return module.as<torch::nn::BatchNorm1d>() || module.as<torch::nn::BatchNorm2d>() ||
         module.as<torch::nn::BatchNorm3d>();
}

/// Running statistics follow the student: copied, or averaged as the parameters are; or they are the teacher's own.
void follow_buffers(const Composition& parts, const EmaSettings& settings, double momentum) {
  if (!parts.teacher || settings.buffers == "own") return;
  const at::NoGradGuard no_grad;
  const auto source = parts.student->named_buffers();
  for (auto& item : parts.teacher->named_buffers()) {
    const at::Tensor& from = source[item.key()];
    if (settings.buffers == "ema" && from.is_floating_point()) {
      item.value().lerp_(from, 1.0 - momentum);
    } else {
      item.value().copy_(from);
    }
  }
}

/// |teacher - student| / |student| over the parameters that both have, a scalar.
at::Tensor distance(const FlatParameters& teacher, const FlatParameters& student) {
  const at::Tensor a = teacher.values().narrow(0, 0, student.shared_size());
  const at::Tensor b = student.values().narrow(0, 0, student.shared_size());
  return (a - b).norm() / (b.norm() + 1e-12);
}

/// [B,Q,D] or [B,D] as rows [M,D]; undefined stays undefined.
at::Tensor rows_of(const at::Tensor& x) { return x.defined() ? x.detach().reshape({-1, x.size(-1)}) : x; }

}  // namespace

Trainer::Trainer(const Experiment& experiment, Composition& parts, std::filesystem::path run, at::Device device)
    : experiment_(experiment),
      parts_(parts),
      device_(device),
      data_(parts.modality, experiment),
      student_(flatten_student(parts, experiment.optim.rule, device)),
      teacher_(flatten_teacher(parts, experiment.optim.rule, device)),
      optimizer_(std::make_unique<Optimizer>(*student_, teacher_.get(), experiment.optim)),
      schedule_(experiment.optim, experiment.ema, experiment.schedule, experiment.train),
      engine_(parts),
      checkpoints_(run / "checkpoints", experiment.checkpoint),
      guard_(experiment.train.spike_deviations) {
  if (const auto newest = checkpoints_.newest()) {
    point_ = Checkpoints::load(*newest, parts_, *optimizer_);
    saved_step_ = point_.step;
    guard_ = LossGuard(experiment.train.spike_deviations, point_.losses);
  }
  cast_half();
  if (experiment.train.graphs && device.is_cuda() && experiment.train.accumulate == 1) graphs_.emplace(device);
  set_modes();
}

void Trainer::set_modes() {
  for (const auto& [prefix, module] : parts_.student_modules()) module->train();
  if (!parts_.teacher) return;
  parts_.teacher->eval();
  if (experiment_.ema.buffers != "own") return;
  for (const auto& module : parts_.teacher->modules())
    if (is_batch_norm(*module)) module->train();
}

std::int64_t Trainer::last_step() const {
  const TrainSettings& train = experiment_.train;
  return train.stop_at > 0 ? std::min(train.stop_at, train.steps) : train.steps;
}

TrainOutcome Trainer::run(Watcher& watcher) {
  const InterruptGuard interrupt;
  const kernels::ComputeStream stream(device_);
  const TrainSettings& train = experiment_.train;
  const std::int64_t last = last_step();
  TrainOutcome outcome{point_.step, point_.step};
  watcher.restore(point_.watched);
  Loader loader(data_.feeds(), *parts_.masker, loader_options(last));

  while (point_.step < last && !interrupt.requested()) {
    const Progress progress{point_.step, schedule_.total_steps(), data_.epoch(point_.step * train.batch_size)};
    const StepRates rates = schedule_.at(point_.step);
    const std::int64_t step = point_.step + 1;
    const auto due = [&](std::int64_t every) { return every > 0 && step % every == 0; };
    const bool is_logged = due(experiment_.log.every) || step == last;
    const bool is_used = is_logged || due(experiment_.evaluate.every) || due(experiment_.checkpoint.every);

    const Learned learned = learn(loader, progress, watcher);
    const PartNorms part_norms = is_logged ? part_gradient_norms() : PartNorms();
    const at::Tensor gradient_norm = optimizer_->gradient_norm();
    if (!must_look(is_used) || passes(learned, gradient_norm, watcher)) {
      update(learned, progress, rates, gradient_norm);
    } else {
      leave_out();
    }

    point_.step = step;
    watcher.stepped(step, loader.take_wait());
    tell_unreadable(watcher);
    if (is_logged) watcher.logged(record(learned, progress, rates, gradient_norm, part_norms));
    if (due(experiment_.evaluate.every)) evaluate(watcher);
    if (due(experiment_.checkpoint.every)) save(watcher);
  }
  save(watcher);
  outcome.last_step = point_.step;
  if (counted_steps_ > 0) outcome.flops_per_step = counted_flops_ / static_cast<double>(counted_steps_);
  outcome.interrupted = point_.step < last;
  outcome.unreadable = data_.unreadable();
  outcome.best = point_.best;
  outcome.checkpoint = *checkpoints_.newest();
  return outcome;
}

void Trainer::tell_unreadable(Watcher& watcher) {
  for (const BadSample& sample : data_.take_unreadable()) watcher.unreadable(sample);
}

Trainer::Learned Trainer::learn(Loader& loader, const Progress& progress, Watcher& watcher) {
  const std::int64_t parts = experiment_.train.accumulate;
  std::optional<FlopCounter> counter;
  // A recorded step shows no operations, so only the first one is counted then.
  if (counted_steps_ < (graphs_ ? 1 : counted_most_)) counter.emplace();
  Learned learned;
  for (std::int64_t part = 0; part < parts; ++part) {
    const auto number = static_cast<std::uint64_t>(progress.step * parts + part);
    at::manual_seed(Rng(experiment_.seed, Stream::model, 0, number).bits64());
    Load load = next_or_tell(loader, [&] { tell_unreadable(watcher); });
    to_device(load, device_);
    Rng rng(experiment_.seed, Stream::prepare, 0, number);
    load.feed->modality.prepare(load.batch, Purpose::pretrain, rng);
    check_views(load.batch, load.feed->modality);
    const auto work = [this, progress](const Batch& batch, const Plan& plan) { return pass_of(batch, plan, progress); };
    learned.passes.push_back(graphs_ && engine_.is_steady(progress) ? graphs_->run(load.batch, load.plan, work)
                                                                    : work(load.batch, load.plan));
    const at::Tensor loss = learned.passes.back().report.total.detach() / static_cast<double>(parts);
    learned.loss = learned.loss.defined() ? learned.loss + loss : loss;
    learned.plans.push_back(std::move(load.plan));
    learned.batch = std::move(load.batch);
  }
  if (counter) {
    counted_flops_ += counter->total();
    ++counted_steps_;
  }
  return learned;
}

void Trainer::cast_half() {
  if (!is_mixed()) return;
  nn::TrainingPass::Copies copies;
  for (const auto& flat : {student_.get(), teacher_.get()}) {
    if (!flat) continue;
    flat->cast_half();
    copies.push_back({flat->values(), flat->half()});
  }
  copies_ = std::make_shared<const nn::TrainingPass::Copies>(std::move(copies));
}

Pass Trainer::pass_of(const Batch& batch, const Plan& plan, const Progress& progress) {
  Pass pass;
  {
    const Autocast cast(device_.type(), is_mixed());
    const nn::TrainingPass training(copies_);
    const nn::RecomputeBlocks recompute(experiment_.train.recompute == "blocks");
    pass = engine_.run(batch, plan, progress);
  }
  (pass.report.total / static_cast<double>(experiment_.train.accumulate)).backward();
  return pass;
}

void Trainer::leave_out() {
  student_->gradients().zero_();
  optimizer_->set_steps(point_.step + 1);
}

void Trainer::update(const Learned& learned, const Progress& progress, const StepRates& rates,
                     const at::Tensor& gradient_norm) {
  optimizer_->step(rates, gradient_norm);
  follow_buffers(parts_, experiment_.ema, rates.momentum);
  engine_.settle(learned.passes, learned.plans.back(), progress);
  // Objectives may write their own weights when they settle, projectors theirs in a forward pass.
  for (const char* part : {"objective.", "projector."}) student_->cast_half(part);
  if (teacher_) teacher_->cast_half("projector.");
}

bool Trainer::must_look(bool is_used) const {
  return is_used || !device_.is_cuda() || experiment_.train.on_spike != "ignore";
}

bool Trainer::passes(const Learned& learned, const at::Tensor& gradient_norm, Watcher& watcher) {
  const std::string& action = experiment_.train.on_spike;
  const bool guards = action != "ignore";
  const double loss = learned.loss.item<double>();
  const bool is_finite = std::isfinite(loss) && std::isfinite(gradient_norm.item<double>());
  const double median = guard_.median();
  const bool is_bad = guards ? guard_.is_bad(is_finite ? loss : std::numeric_limits<double>::quiet_NaN()) : !is_finite;
  if (!is_bad) return true;

  const std::string first =
      is_finite ? "" : first_non_finite(parts_, learned.batch, learned.plans.back(), learned.passes.back());
  const std::string what =
      is_finite
          ? fmt::format("the loss leapt to {:.4g} from a median of {:.4g} at step {}", loss, median, point_.step + 1)
          : fmt::format("the {} at step {}; not finite first: {}",
                        std::isfinite(loss) ? "gradient is not finite" : fmt::format("loss is {}", loss),
                        point_.step + 1, first.empty() ? "unknown" : first);
  const std::string cure = "lower optim.lr, lengthen schedule.warmup_steps or set optim.clip, then go on with --resume";
  if (!guards) throw Error(what, "", cure + "; train.on_spike = \"skip\" leaves such updates out");
  if (guard_.bad_in_a_row() > LossGuard::kPatience)
    throw Error(fmt::format("{}, after {} in a row that were left out", what, LossGuard::kPatience), "", cure);
  const bool rolled = action == "roll_back" && roll_back();
  watcher.guarded(point_.step + 1, what + (rolled ? fmt::format("; weights are back at step {}", saved_step_)
                                                  : "; the update is left out"));
  return false;
}

bool Trainer::roll_back() {
  const auto newest = checkpoints_.newest();
  if (!newest) return false;
  const RunPoint old = Checkpoints::load(*newest, parts_, *optimizer_);
  cast_half();
  saved_step_ = old.step;
  return true;
}

Trainer::PartNorms Trainer::part_gradient_norms() const {
  const at::NoGradGuard no_grad;
  PartNorms parts;
  const std::vector<Segment>& segments = student_->segments();
  const auto part_of = [](const Segment& segment) { return segment.name.substr(0, segment.name.find('.')); };
  for (std::size_t i = 0; i < segments.size();) {
    const std::string part = part_of(segments[i]);
    const std::int64_t begin = segments[i].offset;
    std::int64_t end = begin;
    for (; i < segments.size() && part_of(segments[i]) == part; ++i) end = segments[i].offset + segments[i].size;
    const at::Tensor square = kernels::flat_norm(student_->gradients().narrow(0, begin, end - begin)).square();
    const auto known = std::find_if(parts.begin(), parts.end(), [&](const auto& each) { return each.first == part; });
    if (known == parts.end()) {
      parts.emplace_back(part, square);
    } else {
      known->second = known->second + square;
    }
  }
  for (auto& [name, value] : parts) value = value.sqrt();
  return parts;
}

StepRecord Trainer::record(const Learned& learned, const Progress& progress, const StepRates& rates,
                           const at::Tensor& gradient_norm, const PartNorms& part_norms) const {
  const at::NoGradGuard no_grad;
  const Pass& pass = learned.passes.back();
  const auto& terms = pass.report.terms;
  std::vector<at::Tensor> scalars = {learned.loss, gradient_norm,
                                     teacher_ ? distance(*teacher_, *student_) : at::zeros({})};
  for (const auto& [name, value] : terms) scalars.push_back(value.detach());
  for (const auto& [name, value] : part_norms) scalars.push_back(value);
  for (at::Tensor& scalar : scalars) scalar = scalar.to(learned.loss.device(), at::kFloat).reshape({});
  const at::Tensor values = at::stack(scalars).cpu();
  const float* v = values.const_data_ptr<float>();
  StepRecord record;
  record.step = progress.step + 1;
  record.is_due = record.step % experiment_.log.every == 0;
  record.epoch = progress.epoch;
  record.rates = rates;
  record.loss = *v++;
  record.gradient_norm = *v++;
  record.teacher_distance = *v++;
  for (const auto& [name, value] : terms) record.terms.emplace_back(name, *v++);
  for (const auto& [name, value] : part_norms) record.part_gradient_norms.emplace_back(name, *v++);
  record.features = pass.features.detach();
  record.targets = pass.targets;
  if (pass.pairs.empty() || pass.pairs.front().empty()) return record;
  const Pair& pair = pass.pairs.front().front();
  record.predictions = rows_of(pair.prediction);
  record.asked = rows_of(pair.target);
  return record;
}

void Trainer::evaluate(Watcher& watcher) {
  const std::optional<double> score = watcher.evaluate(point_.step);
  set_modes();
  if (!score || (point_.best && *score <= point_.best->score)) return;
  point_.best = BestStep{point_.step, *score};
  if (experiment_.checkpoint.best) save(watcher);
}

void Trainer::save(Watcher& watcher) {
  if (saved_step_ == point_.step) return;
  if (experiment_.train.on_spike != "ignore") point_.losses = guard_.seen();
  point_.watched = watcher.state();
  const std::filesystem::path path = checkpoints_.save(point_, parts_, *optimizer_);
  saved_step_ = point_.step;
  watcher.saved(point_.step, path);
}

LoaderOptions Trainer::loader_options(std::int64_t last) const {
  const TrainSettings& train = experiment_.train;
  LoaderOptions options = training_loader(experiment_, schedule_.total_steps());
  options.first = point_.step * train.accumulate;
  options.count = last * train.accumulate;
  options.pin = device_.is_cuda();
  return options;
}

}  // namespace cairn
