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

/// Same for the predictor of `model`, which sees features of `width`, unless it says another width itself.
CAIRN_API Published<Predictor> build_predictor(const PublishedModel& model, std::int64_t width, PluginLoader& loader);

/// A view of prepared data [B,C,...] for `model`; a picture [B,C,H,W] for a network of clips that has a tokenizer for
/// pictures is a clip of one frame. ConfigError if its patches do not divide it.
CAIRN_API View view_for(const PublishedModel& model, const at::Tensor& data);

/// The encoder as its predictor sees it: with all levels side by side, where it has levels.
CAIRN_API PublishedNetwork fused(const PublishedNetwork& encoder);

/// Every name of a network's tensors that has no weights of its shape, and of weights without a place, a sentence each.
CAIRN_API std::vector<std::string> misfits(const std::map<std::string, at::Tensor>& own,
                                           const std::map<std::string, at::Tensor>& weights);

/// What the head of `model` makes of a view whose tokens are `encoded`: logits [B,classes], or a pooled feature [B,D].
CAIRN_API at::Tensor apply_head(const PublishedModel& model, const View& view, const Encoded& encoded,
                                PluginLoader& loader);

}  // namespace cairn
