#include "conformance/rig.h"

#include <algorithm>

#include "cairn/error.h"
#include "conformance/stand_ins.h"
#include "plugin/guard.h"

namespace cairn::conformance {
namespace {

constexpr const char* kStandIns = "kit";  // the name of the plugin that stand-ins pretend to be of

template <class F, class... Setting>
auto build(const Part& part, const Setting&... setting) {
  return call_plugin(part.component->full_name(),
                     [&] { return std::get<F>(part.component->factory)(part.options, setting...); });
}

Component stand_in_component(ComponentKind kind, std::string name, decltype(Component::factory) factory) {
  return {kind, kStandIns, std::move(name), nullptr, std::move(factory)};
}

}  // namespace

std::shared_ptr<Modality> Part::modality() const { return build<ModalityFactory>(*this); }
std::shared_ptr<Masker> Part::masker() const { return build<MaskerFactory>(*this); }
std::shared_ptr<Encoder> Part::encoder(const EncoderSetting& setting) const {
  return build<EncoderFactory>(*this, setting);
}
std::shared_ptr<Projector> Part::projector(const ProjectorSetting& setting) const {
  return build<ProjectorFactory>(*this, setting);
}
std::shared_ptr<Predictor> Part::predictor(const PredictorSetting& setting) const {
  return build<PredictorFactory>(*this, setting);
}
std::shared_ptr<Objective> Part::objective(const ObjectiveSetting& setting) const {
  return build<ObjectiveFactory>(*this, setting);
}

Rig::Rig(const Situation& situation, Levels levels, std::vector<Part> parts) {
  stand_in(situation, levels);
  bool has_objective = false;
  for (const Part& part : parts) {
    const ComponentSettings settings{part.component->full_name(), part.options, kind_name(part.component->kind)};
    components_.push_back(*part.component);
    switch (part.component->kind) {
      case ComponentKind::modality:
        experiment_.modality = settings;
        break;
      case ComponentKind::encoder:
        experiment_.encoder = settings;
        break;
      case ComponentKind::projector:
        experiment_.projector = settings;
        break;
      case ComponentKind::masker:
        experiment_.masker = settings;
        break;
      case ComponentKind::predictor:
        experiment_.predictor = settings;
        break;
      case ComponentKind::objective:
        if (!has_objective) experiment_.objectives.clear();
        has_objective = true;
        experiment_.objectives.push_back({settings, 1.0});
        break;
    }
  }
}

void Rig::stand_in(const Situation& situation, const Levels& levels) {
  const bool tokens = levels.contains(Level::tokens);
  components_ = {
      stand_in_component(ComponentKind::modality, "modality",
                         ModalityFactory([=](const Value::Table&) { return stand_in_modality(situation); })),
      stand_in_component(ComponentKind::masker, "masker",
                         MaskerFactory([=](const Value::Table&) { return tokens ? token_masker() : view_masker(); })),
      stand_in_component(
          ComponentKind::encoder, "encoder",
          EncoderFactory([](const Value::Table&, const EncoderSetting& setting) { return stand_in_encoder(setting); })),
      stand_in_component(ComponentKind::predictor, "predictor",
                         PredictorFactory([](const Value::Table&, const PredictorSetting& setting) {
                           return stand_in_predictor(setting);
                         }))};
  for (const Level level : levels) {
    const std::string name = level == Level::tokens ? "objective" : "view_objective";
    components_.push_back(stand_in_component(
        ComponentKind::objective, name,
        ObjectiveFactory([level](const Value::Table&, const ObjectiveSetting&) { return stand_in_objective(level); })));
    experiment_.objectives.push_back({{std::string(kStandIns) + "." + name, {}, "objective"}, 1.0});
  }
  const auto settings = [](const std::string& kind) {
    return ComponentSettings{std::string(kStandIns) + "." + kind, {}, kind};
  };
  experiment_.name = "conformance";
  experiment_.modality = settings("modality");
  experiment_.masker = settings("masker");
  experiment_.encoder = settings("encoder");
  experiment_.predictor = settings("predictor");
  experiment_.train.steps = 20;
  experiment_.train.batch_size = 8;
  experiment_.train.threads = 1;  // more would wait for one another on a busy machine
  experiment_.log.every = 1;
  experiment_.checkpoint.every = 10;
  experiment_.checkpoint.best = false;
}

std::unique_ptr<Composition> Rig::compose() const {
  const FindComponent find = [this](ComponentKind kind, const std::string& type) -> const Component& {
    const auto found = std::find_if(components_.begin(), components_.end(), [&](const Component& component) {
      return component.kind == kind && component.full_name() == type;
    });
    if (found == components_.end()) throw Error("the kit has no " + std::string(kind_name(kind)) + " '" + type + "'");
    return *found;
  };
  return std::make_unique<Composition>(experiment_, find);
}

}  // namespace cairn::conformance
