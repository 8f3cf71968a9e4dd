#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/options.h"
#include "config/document.h"
#include "config/settings.h"

namespace cairn {

inline constexpr const char* kRunConfig = "config.toml";  // in every run's folder: what it was composed of

/// One component table: its type ("transformer.vit") and its options, validated and complete with defaults.
struct ComponentSettings {
  std::string type;
  Value::Table options;
  std::string table;  // "encoder", "objective[0]": how the experiment names it
};

struct ObjectiveSettings : ComponentSettings {
  double weight = 1.0;
};

/// An experiment, merged, validated and complete. Immutable once made.
struct Experiment {
  std::string name;
  std::uint64_t seed = 0;
  ComponentSettings modality, encoder, masker;
  std::optional<ComponentSettings> projector, predictor;  // without: identity
  std::vector<ObjectiveSettings> objectives;
  PluginSettings plugins;
  InitialSettings initial;
  EmaSettings ema;
  OptimSettings optim;
  ScheduleSettings schedule;
  TrainSettings train;
  CheckpointSettings checkpoint;
  EvaluateSettings evaluate;
  LogSettings log;
  DistributedSettings distributed;
  std::shared_ptr<const ResolvedDocument> document;  // the same as TOML, with the origin of every value
};

}  // namespace cairn
