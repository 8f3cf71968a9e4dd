#pragma once

#include <memory>
#include <string>

#include "cairn/encoder.h"
#include "cairn/export.h"
#include "cairn/predictor.h"
#include "checkpoint/published.h"

namespace cairn {

class PluginLoader;

/// A network of a published checkpoint with its weights, in evaluation mode, and the component that builds it.
template <class Network>
struct Published {
  std::shared_ptr<Network> network;
  std::string component;  // "transformer.vit"
};

/// Builds `network` (an encoder of `model`) with the first encoder on the plugin path that takes its options and whose
/// parameters are its weights. PluginError if no encoder takes the options, Error with every name that does not fit.
CAIRN_API Published<Encoder> build_encoder(const PublishedModel& model, const PublishedNetwork& network,
                                           PluginLoader& loader);

/// Same for the predictor of `model`, which predicts features of `width`.
CAIRN_API Published<Predictor> build_predictor(const PublishedModel& model, std::int64_t width, PluginLoader& loader);

}  // namespace cairn
