#include "conformance/kit.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "conformance/checks.h"

namespace cairn::conformance {
namespace {

/// A component that has passed far enough to be trained with.
struct Trained {
  Part part;
  Trial trial;
};

std::string subject(const Component& component) {
  return std::string(kind_name(component.kind)) + " " + component.full_name();
}

void check_options(const Plugin& plugin, const ComponentOptions& options) {
  for (const auto& [name, table] : options) {
    const auto& components = plugin.registry->components();
    const bool is_known = std::any_of(components.begin(), components.end(),
                                      [&](const Component& component) { return component.full_name() == name; });
    if (!is_known)
      throw ConfigError("", "plugin '" + plugin.name + "' has no component '" + name + "'",
                        "write options as COMPONENT.OPTION=VALUE, for example " + plugin.name + ".NAME.path=DATA");
  }
}

std::string describe_plugin(const Plugin& plugin) {
  require(!plugin.version.empty() && !plugin.summary.empty(), "it has no version or no summary");
  require(!plugin.registry->components().empty(), "it enrolls no component");
  return fmt::format("{} {}, LibTorch {}, {} components", plugin.name, plugin.version, plugin.torch_version,
                     plugin.registry->components().size());
}

/// The required options that nobody gave.
std::string missing_options(const Part& part) {
  std::string missing;
  for (const OptionSpec& spec : part.component->schema->options())
    if (spec.is_required && find_option(part.options, spec.name) == nullptr)
      missing += (missing.empty() ? "" : ", ") + spec.name;
  return missing;
}

/// Whether the component can be built; why not, where a required option is missing, is a skipped check.
bool check_schema(const Part& part, Findings& findings) {
  const std::string name = part.component->full_name();
  return findings.check("its options are described", "see the options that cairn inspect lists", [&] {
    const std::string missing = missing_options(part);
    if (!missing.empty())
      throw Skip{fmt::format("not tried: it has no default for {}; give --set {}.{}=VALUE", missing, name,
                             missing.substr(0, missing.find(',')))};
    return fmt::format("{} options, {}", part.component->schema->options().size(),
                       part.options.empty() ? "all at their defaults" : "some as given");
  });
}

std::optional<Trial> check_component(const Part& part, const std::vector<Situation>& situations, Findings& findings) {
  switch (part.component->kind) {
    case ComponentKind::modality:
      return check_modality(part, findings);
    case ComponentKind::encoder:
      return check_encoder(part, situations, findings);
    case ComponentKind::projector:
      return check_projector(part, situations, findings);
    case ComponentKind::masker:
      return check_masker(part, situations, findings);
    case ComponentKind::predictor:
      return check_predictor(part, situations, findings);
    case ComponentKind::objective:
      return check_objective(part, findings);
  }
  return std::nullopt;
}

/// The first component of each kind in one experiment, where its parts fit; on the modality's data where there is one.
void train_together(const std::vector<Trained>& all, Findings& findings) {
  std::vector<Part> parts;
  std::set<ComponentKind> kinds;
  for (const Trained& each : all)
    if (kinds.insert(each.part.component->kind).second) parts.push_back(each.part);
  if (parts.size() < 2) return;
  std::string names;
  for (const Part& part : parts) names += (names.empty() ? "" : ", ") + part.component->name;
  findings.about("together: " + names);
  Trial trial = all.front().trial;
  for (const Trained& each : all)
    if (each.part.component->kind == ComponentKind::masker) trial.levels = each.trial.levels;
  const bool fits = findings.check("they make an experiment", "", [&]() -> std::string {
    try {
      Rig(trial.situation, trial.levels, parts).compose();
    } catch (const ConfigError& error) {
      throw Skip{error.what()};
    }
    return {};
  });
  if (fits) check_training(trial, std::move(parts), findings);
}

}  // namespace

void run_kit(const Plugin& plugin, const ComponentOptions& options, Findings& findings) {
  at::set_num_threads(1);
  check_options(plugin, options);
  findings.about("plugin " + plugin.name);
  const bool has_components =
      findings.check("its descriptor is complete", "fill every argument of CAIRN_PLUGIN, and enroll components",
                     [&] { return describe_plugin(plugin); });
  if (!has_components) return;
  // Data of the plugin's own comes first: it shows the situations that its other components are made for.
  std::vector<Component> components = plugin.registry->components();
  std::stable_sort(components.begin(), components.end(),
                   [](const Component& a, const Component& b) { return a.kind < b.kind; });
  std::vector<Situation> situations;
  std::vector<Trained> trained;
  for (const Component& component : components) {
    findings.about(subject(component));
    Part part{&component, {}};
    if (const auto given = options.find(component.full_name()); given != options.end()) part.options = given->second;
    if (!check_schema(part, findings)) continue;
    std::vector<Situation> tried = situations;
    const auto standard = standard_situations();
    tried.insert(tried.end(), standard.begin(), standard.end());
    const auto trial = check_component(part, tried, findings);
    if (!trial) continue;
    if (component.kind == ComponentKind::modality) situations.push_back(trial->situation);
    check_training(*trial, {part}, findings);
    trained.push_back({part, *trial});
  }
  train_together(trained, findings);
}

}  // namespace cairn::conformance
