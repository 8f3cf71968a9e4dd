#include "cli/resumed.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "cairn/error.h"
#include "cli/compose.h"
#include "config/difference.h"
#include "config/load.h"

namespace cairn::cli {
namespace {

constexpr std::array<std::string_view, 3> kNetworks = {"encoder.", "projector.", "predictor."};

bool is_of_a_network(const std::string& key) {
  return std::any_of(kNetworks.begin(), kNetworks.end(),
                     [&](std::string_view table) { return key.starts_with(table); });
}

std::string text(const ResolvedEntry* entry) { return entry ? entry->value.text() : "nothing"; }

}  // namespace

std::vector<std::string> changes_since(const std::filesystem::path& config, const Experiment& experiment,
                                       PluginLoader& loader) {
  std::optional<Experiment> before;
  try {
    before = load_experiment(config, {}, loader);
  } catch (const Error& error) {
    return {fmt::format("what changed since the run began is not known: {}", error.what())};
  }
  std::vector<std::string> lines;
  for (const Difference& each : differences(*before->document, *experiment.document)) {
    if (is_of_a_network(each.key))
      explained(experiment, [&] {
        throw ConfigError(each.key,
                          fmt::format("the run's network has {}, not {}", text(each.before), text(each.after)),
                          "go on with the run's own, or begin a run that starts from it (initial.path)");
      });
    if (each.key == "optim.type")
      explained(experiment, [&] {
        throw ConfigError(each.key,
                          fmt::format("the run's optimizer is {}, not {}", text(each.before), text(each.after)),
                          "go on with the run's own, or begin a run that starts from it (initial.path)");
      });
    lines.push_back(fmt::format("{} was {}, is {} from here on", each.key, text(each.before), text(each.after)));
  }
  return lines;
}

}  // namespace cairn::cli
