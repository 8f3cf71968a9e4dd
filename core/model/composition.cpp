#include "model/composition.h"

#include <ATen/Context.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "cairn/error.h"
#include "data/plan_check.h"
#include "model/parameter_rules.h"
#include "plugin/guard.h"
#include "plugin/guarded_modality.h"
#include "plugin/loader.h"

namespace cairn {
namespace {

// A dry plan shows what a masker leaves; a few rows suffice.
constexpr std::int64_t kDryBatch = 4;

/// Runs `build` of a plugin, naming the table in every complaint.
template <class F>
auto in_table(const ComponentSettings& settings, F&& build) {
  return call_in_table(settings.type, settings.table, std::forward<F>(build));
}

template <class F>
const F& factory(const FindComponent& find, ComponentKind kind, const ComponentSettings& settings) {
  return std::get<F>(find(kind, settings.type).factory);
}

/// Whether one target serves both; an objective without a target goes with any.
bool agree(const TargetSpec& a, const TargetSpec& b) {
  if (a.source == Source::none || b.source == Source::none) return true;
  return a.source == b.source && a.taps == b.taps && a.asked_only == b.asked_only;
}

void check_train(const TrainSettings& train) {
  if (train.batch_size % train.accumulate != 0)
    throw ConfigError(
        "train.accumulate",
        fmt::format("a batch of {} cannot be cut into {} equal parts", train.batch_size, train.accumulate),
        "choose a divisor of train.batch_size");
}

void check_optim(const OptimSettings& optim) {
  if (optim.moments == "float32" || optim.type == "adamw") return;
  throw ConfigError("optim.moments", fmt::format("{} keeps its momentum as float32", optim.type),
                    "leave it out, or set optim.type = \"adamw\"");
}

void check_evaluate(const EvaluateSettings& evaluate, const TokenGrid& grid) {
  const std::vector<std::int64_t>& segments = evaluate.segments;
  if (segments.empty()) return;
  bool fit = segments.size() == grid.extent.size();
  for (std::size_t axis = 0; fit && axis < segments.size(); ++axis) fit = segments[axis] <= grid.extent[axis];
  if (!fit)
    throw ConfigError("evaluate.segments", fmt::format("does not fit a grid of {}", grid.text()),
                      "give one number for each axis, no more than it has tokens");
}

/// Empty where the experiment has no projector.
ProjectorFactory projector_factory(const Experiment& experiment, const FindComponent& find) {
  if (!experiment.projector) return {};
  return factory<ProjectorFactory>(find, ComponentKind::projector, *experiment.projector);
}

std::shared_ptr<Branch> with_projector(const Experiment& experiment, std::shared_ptr<Encoder> encoder,
                                       const ProjectorFactory& make) {
  if (!make) return std::make_shared<Branch>(std::move(encoder), experiment.encoder.type);
  const ComponentSettings& settings = *experiment.projector;
  auto projector = in_table(settings, [&] { return make(settings.options, ProjectorSetting{encoder->width()}); });
  return std::make_shared<Branch>(std::move(encoder), experiment.encoder.type, std::move(projector), settings.type);
}

std::shared_ptr<Objective> build_objective(const ObjectiveSettings& settings, Branch& student,
                                           const TokenizerSpec& tokenizer, const FindComponent& find) {
  const auto& make = factory<ObjectiveFactory>(find, ComponentKind::objective, settings);
  const ObjectiveSetting setting{student.pooled_width(), student.encoder().depth(), tokenizer};
  return in_table(settings, [&] { return make(settings.options, setting); });
}

PredictorWidths widths_for(const TargetSpec& target, Branch& student, const TokenizerSpec& tokenizer) {
  const std::int64_t from = target.level == Level::tokens ? student.encoder().width() : student.pooled_width();
  const std::int64_t source = target.source == Source::input ? tokenizer.values() : from;
  return {from, target.width > 0 ? target.width : source};
}

std::int64_t count_parameters(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const at::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

/// Views and a plan for them, a line each.
std::string describe_views(const Masker& masker, const std::vector<ViewLayout>& views) {
  std::string text;
  for (std::size_t v = 0; v < views.size(); ++v)
    text += fmt::format("view {}      {} tokens ({})\n", v, views[v].grid.count(), views[v].grid.text());
  Rng rng(0, Stream::plan);
  const Plan plan = masker.plan(views, kDryBatch, Progress{}, rng);
  const auto tokens = [&](const TokenSet& set, int view) {
    return count_text(set, views[static_cast<std::size_t>(view)].grid);
  };
  const auto shown = [&](const Context& c) {
    if (c.masked.all()) return tokens(c.visible, c.view);
    const TokenGrid& grid = views[static_cast<std::size_t>(c.view)].grid;
    return std::to_string((c.visible.all() ? grid.count() : c.visible.index.size(1)) - c.masked.index.size(1));
  };
  std::string contexts, queries;
  for (const Context& c : plan.contexts) contexts += " " + shown(c);
  for (const Query& q : plan.queries)
    queries += q.level == Level::pooled ? std::string(" pooled") : fmt::format(" {}", tokens(q.where, q.view));
  return text + fmt::format("contexts   {} tokens seen\nqueries    {} tokens asked\n", contexts, queries);
}

}  // namespace

FindComponent components_of(PluginLoader& loader) {
  return [&loader](ComponentKind kind, const std::string& type) -> const Component& {
    return loader.component(kind, type);
  };
}

std::shared_ptr<Modality> build_modality(const Experiment& experiment, const FindComponent& find) {
  const auto& make = factory<ModalityFactory>(find, ComponentKind::modality, experiment.modality);
  return guarded_modality(in_table(experiment.modality, [&] { return make(experiment.modality.options); }),
                          experiment.modality.type);
}

std::shared_ptr<Masker> build_masker(const Experiment& experiment, const FindComponent& find) {
  const auto& make = factory<MaskerFactory>(find, ComponentKind::masker, experiment.masker);
  return in_table(experiment.masker, [&] { return make(experiment.masker.options); });
}

PredictorWidths predictor_widths(const Experiment& experiment, std::shared_ptr<Encoder> encoder,
                                 const TokenizerSpec& tokenizer, const FindComponent& find) {
  const std::shared_ptr<Branch> student =
      with_projector(experiment, std::move(encoder), projector_factory(experiment, find));
  std::optional<TargetSpec> target;
  for (const ObjectiveSettings& settings : experiment.objectives)
    if (!target || target->source == Source::none)
      target = build_objective(settings, *student, tokenizer, find)->target();
  return widths_for(*target, *student, tokenizer);
}

Composition::Composition(const Experiment& experiment, const FindComponent& find)
    : modality_type(experiment.modality.type),
      masker_type(experiment.masker.type),
      encoder_type(experiment.encoder.type),
      predictor_type(experiment.predictor ? experiment.predictor->type : ""),
      experiment_(experiment) {
  modality = build_modality(experiment_, find);
  masker = build_masker(experiment_, find);
  make_encoder_ = factory<EncoderFactory>(find, ComponentKind::encoder, experiment_.encoder);
  make_projector_ = projector_factory(experiment_, find);

  check_optim(experiment_.optim);
  check_train(experiment_.train);
  check_evaluate(experiment_.evaluate, modality->views(Purpose::evaluate).front().grid);
  stack_views = experiment_.train.stack;
  student = fresh_branch();
  build_objectives(find);
  check_projector();
  projects_tokens = student->has_projector() && compares(Level::tokens) && compares(Level::pooled);
  build_predictor(find);
  apply_rules(experiment_.optim.rule, student_modules());
  check_plan_fits(modality->views(Purpose::pretrain));
  check_companion();
  if (target.source != Source::teacher) return;
  teacher = fresh_branch();
  for (at::Tensor& parameter : teacher->parameters()) parameter.set_requires_grad(false);
}

std::shared_ptr<Branch> Composition::fresh_branch() const {
  at::manual_seed(experiment_.seed);
  const EncoderSetting setting{modality->tokenizer(), modality->views(Purpose::pretrain)};
  auto encoder = in_table(experiment_.encoder, [&] { return make_encoder_(experiment_.encoder.options, setting); });
  return with_projector(experiment_, std::move(encoder), make_projector_);
}

void Composition::build_objectives(const FindComponent& find) {
  const auto views = modality->views(Purpose::pretrain);
  for (const ObjectiveSettings& settings : experiment_.objectives) {
    auto objective = build_objective(settings, *student, modality->tokenizer(), find);
    const TargetSpec spec = objective->target();
    if (spec.views > static_cast<int>(views.size()))
      throw ConfigError(settings.table,
                        fmt::format("{} compares {} views of a sample, but {} gives {}", settings.type, spec.views,
                                    experiment_.modality.type, views.size()),
                        fmt::format("set modality.views = {}", spec.views));
    if (!objectives.empty() && !agree(spec, target))
      throw ConfigError(settings.table,
                        fmt::format("{} and {} need different targets", objectives.front().type, settings.type),
                        "objectives of one experiment must agree on the source and blocks of their target");
    if (objectives.empty() || target.source == Source::none) target = spec;
    objectives.push_back({settings.type, settings.weight, std::move(objective)});
  }
}

void Composition::build_predictor(const FindComponent& find) {
  const PredictorWidths widths = widths_for(target, *student, modality->tokenizer());
  if (!experiment_.predictor) {
    if (widths.output != widths.input)
      throw ConfigError("predictor", fmt::format("targets are {} wide, the encoder {}", widths.output, widths.input),
                        "add a [predictor] that maps one to the other");
    return;
  }
  const ComponentSettings& settings = *experiment_.predictor;
  const auto& make = factory<PredictorFactory>(find, ComponentKind::predictor, settings);
  predictor = in_table(settings, [&] {
    return make(settings.options, PredictorSetting{widths.input, widths.output, modality->views(Purpose::pretrain)});
  });
}

void Composition::check_projector() const {
  const bool is_used = std::any_of(objectives.begin(), objectives.end(), [](const WeightedObjective& each) {
    return each.objective->target().level == Level::pooled;
  });
  if (student->has_projector() && !is_used)
    throw ConfigError(
        "projector", fmt::format("works on whole views, but the objective {} compares tokens", objectives.front().type),
        "leave the projector out, or add an objective that compares whole views");
}

bool Composition::compares(Level level) const {
  return std::any_of(objectives.begin(), objectives.end(), [&](const WeightedObjective& each) {
    const TargetSpec spec = each.objective->target();
    return spec.level == level && (spec.source != Source::none || target.source == Source::none);
  });
}

void Composition::check_companion() const {
  const std::optional<Companion> companion = modality->companion();
  if (!companion) return;
  const TokenizerSpec own = modality->tokenizer(), other = companion->modality->tokenizer();
  const auto views = companion->modality->views(Purpose::pretrain);
  const std::string grid = views.front().grid.text();
  if (!(other == own) && !student->encoder().can_take(other))
    throw ConfigError(
        "encoder",
        fmt::format("{} cannot take the views of {} tokens that come in turn with those of {}",
                    experiment_.encoder.type, grid, modality->views(Purpose::pretrain).front().grid.text()),
        "give the encoder a tokenizer for them, such as encoder.picture_tokenizer = true, or leave them out");
  if (target.source == Source::input && other.values() != own.values())
    throw ConfigError("objective",
                      fmt::format("{} predicts the values of a token: {} in one kind of batch, {} in the other",
                                  objectives.front().type, own.values(), other.values()),
                      "predict latent tokens, or leave the other batches out");
  if (views.size() != modality->views(Purpose::pretrain).size())
    throw ConfigError("modality", "the batches that come in turn have another number of views",
                      "give both as many views");
  check_plan_fits(views);
}

void Composition::check_plan_fits(const std::vector<ViewLayout>& views) const {
  const Plan plan = in_table(experiment_.masker, [&] {
    Rng rng(experiment_.seed, Stream::plan);
    const std::int64_t batch = std::min(kDryBatch, experiment_.train.batch_size);
    Plan dry = masker->plan(views, batch, Progress{0, std::max<std::int64_t>(1, experiment_.train.steps), 0}, rng);
    check_plan(dry, views, batch);
    return dry;
  });
  const bool hides = std::any_of(plan.contexts.begin(), plan.contexts.end(),
                                 [](const Context& c) { return !c.visible.all() || !c.masked.all(); });
  if (hides && !student->encoder().can_hide_tokens())
    throw ConfigError(
        "masker",
        fmt::format("{} hides tokens, which {} cannot do without", experiment_.masker.type, experiment_.encoder.type),
        "choose a transformer encoder, or a masker that shows whole views");
  if (hides && !predictor && target.level == Level::tokens &&
      std::any_of(plan.contexts.begin(), plan.contexts.end(), [](const Context& c) { return !c.visible.all(); }))
    throw ConfigError(
        "predictor",
        fmt::format("{} hides tokens and asks about them, but nothing predicts them", experiment_.masker.type),
        "add a [predictor], for example type = \"transformer.narrow\"");
  for (const Context& context : plan.contexts)
    in_table(experiment_.encoder, [&] { student->encoder().check(context); });
  check_packing(plan);
  check_questions(plan);
}

void Composition::check_packing(const Plan& plan) const {
  if (std::none_of(plan.contexts.begin(), plan.contexts.end(), [](const Context& c) { return c.visible.is_ragged(); }))
    return;
  const auto refuse = [&](const std::string& type) {
    throw ConfigError(
        "masker",
        fmt::format("{} packs contexts of unequal length, and {} takes equal ones only", experiment_.masker.type, type),
        "leave packing out, or choose another component");
  };
  if (!student->encoder().can_pack()) refuse(experiment_.encoder.type);
  if (predictor && !predictor->can_pack()) refuse(experiment_.predictor->type);
  if (experiment_.train.graphs)
    throw ConfigError("train.graphs",
                      fmt::format("steps of recurring shapes are recorded, and those of {} never recur where it packs",
                                  experiment_.masker.type),
                      "set train.graphs = false, or leave packing out");
}

void Composition::check_questions(const Plan& plan) const {
  const auto name = [](Level level) { return level == Level::tokens ? "tokens" : "whole views"; };
  std::set<Level> asked;
  for (const Query& query : plan.queries) {
    if (!compares(query.level))
      throw ConfigError("masker",
                        fmt::format("{} asks about {}, but the objective {} compares {}", experiment_.masker.type,
                                    name(query.level), objectives.front().type, name(target.level)));
    asked.insert(query.level);
  }
  for (const WeightedObjective& each : objectives) {
    const TargetSpec spec = each.objective->target();
    if (spec.source != Source::none && !asked.contains(spec.level))
      throw ConfigError("masker",
                        fmt::format("the objective {} compares {}, but {} asks about none", each.type, name(spec.level),
                                    experiment_.masker.type),
                        "choose another masker, or leave this objective out");
  }
  if (!predictor) return;
  // The last group first, so that advice about their number serves all.
  std::vector<Query> queries = plan.queries;
  std::stable_sort(queries.begin(), queries.end(), [](const Query& a, const Query& b) { return a.group > b.group; });
  for (const Query& query : queries)
    in_table(*experiment_.predictor,
             [&] { predictor->check(plan.contexts[static_cast<std::size_t>(query.context)], query); });
}

std::vector<std::pair<std::string, std::shared_ptr<torch::nn::Module>>> Composition::student_modules() const {
  std::vector<std::pair<std::string, std::shared_ptr<torch::nn::Module>>> modules = {{"", student}};
  if (predictor) modules.emplace_back("predictor", predictor);
  for (std::size_t i = 0; i < objectives.size(); ++i)
    modules.emplace_back(fmt::format("objective.{}", i), objectives[i].objective);
  return modules;
}

std::string describe(const Composition& composition) {
  std::string text = fmt::format("encoder     {:.2f} M parameters, {} wide, {} blocks\n",
                                 static_cast<double>(count_parameters(*composition.student)) / 1e6,
                                 composition.student->encoder().width(), composition.student->encoder().depth());
  if (composition.predictor)
    text += fmt::format("predictor   {:.2f} M parameters\n",
                        static_cast<double>(count_parameters(*composition.predictor)) / 1e6);
  text += describe_views(*composition.masker, composition.modality->views(Purpose::pretrain));
  if (const std::optional<Companion> companion = composition.modality->companion())
    text += fmt::format("in turn     {:.0f} % of the batches:\n", 100 * companion->share) +
            describe_views(*composition.masker, companion->modality->views(Purpose::pretrain));
  return text;
}

}  // namespace cairn
