#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "cairn/registry.h"
#include "model/network_source.h"

namespace cairn {

/// Which data to show a network. What is left out comes from the network: the modality of its training run, or the
/// sizes and statistics that a published folder names.
struct DataRequest {
  std::optional<std::filesystem::path> path;
  std::string modality;           // "image.folder"; empty: the network's
  std::vector<std::string> sets;  // "key=value" of the modality's options; keys may begin with "modality."
};

/// The modality that prepares this data for the network. ConfigError where the network does not say how its samples are
/// prepared and `modality` does not either, and for options that do not fit.
CAIRN_API std::shared_ptr<Modality> open_data(const OpenedNetwork& network, const DataRequest& request,
                                              PluginLoader& loader);

/// `sets` for the experiment of a run, with the sizes its network was trained with where they name another modality
/// than `modality`, the run's. ConfigError where they give a path to one that takes none.
CAIRN_API std::vector<std::string> sets_for_data(const Experiment& trained, const Modality& modality,
                                                 const std::vector<std::string>& sets, PluginLoader& loader);

/// ConfigError where a modality, of this component, cuts its samples otherwise than a network was trained with.
CAIRN_API void require_fit(const TokenizerSpec& trained, const Component& component, const Modality& modality);

/// ConfigError, naming `key`, where a modality makes its samples itself and takes no path.
CAIRN_API void require_path(const Component& modality, const std::string& key);

}  // namespace cairn
