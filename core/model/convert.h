#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "model/network_source.h"

namespace cairn {

/// What a conversion wrote.
struct ConvertReport {
  std::string written_as;             // "IJepaModel of transformers"
  std::vector<std::string> left_out;  // what the folder does not hold, and why
  double difference = 0.0;            // largest one between its features and those of the source, read back
};

/// Writes the network as a folder of Cairn's own: encoder, projector, predictor and how its data are prepared. The
/// folder appears complete or not at all; one of that name is replaced.
CAIRN_API ConvertReport convert_to_cairn(const OpenedNetwork& network, const std::filesystem::path& to,
                                         PluginLoader& loader);

/// Writes the encoder as a Hugging Face folder. Error, and no folder, where no class of transformers computes the same
/// features; tensors without a place there are an error unless `partial`.
CAIRN_API ConvertReport convert_to_huggingface(const OpenedNetwork& network, const std::filesystem::path& to,
                                               bool partial, PluginLoader& loader);

}  // namespace cairn
