#include "convnet.h"

#include <ATen/ATen.h>

#include <string>

#include "cairn/error.h"

namespace cairn::convnet {

namespace {

/// A feature map [B,D,h,w] as tokens [B,N,D] of a grid.
at::Tensor tokens_of(const at::Tensor& map, const TokenGrid& grid) {
  const bool fits = map.size(2) == grid.extent[0] && map.size(3) == grid.extent[1];
  return (fits ? map : at::adaptive_avg_pool2d(map, grid.extent)).flatten(2).transpose(1, 2);
}

}  // namespace

ConvNet::ConvNet(const EncoderSetting& setting) {
  if (const std::size_t axes = setting.tokenizer.axes.size(); axes != 2)
    throw ConfigError("type", "convolutional encoders look at two axes, and these views have " + std::to_string(axes),
                      "choose transformer.vit, or a modality of pictures or spectrograms");
}

at::Tensor ConvNet::finish(const at::Tensor& features) { return features; }

Encoded ConvNet::encode(const View& view, const Look& look) {
  if (!look.visible.all() || !look.masked.all())
    throw Error("a convolutional encoder was asked to leave tokens out", "plugin 'convnet'",
                "choose a masker that shows whole views, or transformer.vit");
  std::vector<at::Tensor> taps;
  const at::Tensor map = feature_map(view.data, look.taps, taps);
  for (at::Tensor& tap : taps) tap = tokens_of(tap, view.grid);
  return {finish(tokens_of(map, view.grid)), finish(map.mean({2, 3})), std::move(taps)};
}

}  // namespace cairn::convnet
