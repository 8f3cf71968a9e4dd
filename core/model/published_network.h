#pragma once

#include <memory>
#include <string>
#include <vector>

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
  std::string component;          // "transformer.vit"
  std::vector<std::string> gaps;  // with a partial load: every name that found no place, or no weights
};

/// Builds `network` (an encoder of `model`) with its component; without one, with the first encoder on the plugin path
/// that takes its options and whose parameters are its weights. The network takes weights of its own type over without
/// a copy. PluginError if no encoder takes the options, Error with every name that does not fit. A partial model takes
/// the first encoder, and what does not fit is told in `gaps`.
CAIRN_API Published<Encoder> build_encoder(const PublishedModel& model, const PublishedNetwork& network,
                                           PluginLoader& loader);

/// Same for the predictor of `model`, which sees features of `width`.
CAIRN_API Published<Predictor> build_predictor(const PublishedModel& model, std::int64_t width, PluginLoader& loader);

/// What the head of `model` makes of encoded tokens: logits [B,classes], or a pooled feature [B,D].
CAIRN_API at::Tensor apply_head(const PublishedHead& head, const Encoded& encoded);

}  // namespace cairn
