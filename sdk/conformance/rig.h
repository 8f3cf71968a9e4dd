#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cairn/registry.h"
#include "conformance/situation.h"
#include "model/composition.h"

namespace cairn::conformance {

/// A component under test, with the options it is built with.
struct Part {
  const Component* component = nullptr;
  Value::Table options;

  /// Builds it; what is thrown names plugin and component.
  std::shared_ptr<Modality> modality() const;
  std::shared_ptr<Masker> masker() const;
  std::shared_ptr<Encoder> encoder(const EncoderSetting& setting) const;
  std::shared_ptr<Projector> projector(const ProjectorSetting& setting) const;
  std::shared_ptr<Predictor> predictor(const PredictorSetting& setting) const;
  std::shared_ptr<Objective> objective(const ObjectiveSetting& setting) const;
};

/// What a composition asks: about single tokens, about whole views, or both.
using Levels = std::set<Level>;

/// An experiment around some parts of a plugin, stand-ins for all others.
class Rig {
 public:
  Rig(const Situation& situation, Levels levels, std::vector<Part> parts);

  const Experiment& experiment() const { return experiment_; }
  /// Errors as for any experiment whose parts do not fit.
  std::unique_ptr<Composition> compose() const;

 private:
  void stand_in(const Situation& situation, const Levels& levels);

  Experiment experiment_;
  std::vector<Component> components_;
};

}  // namespace cairn::conformance
