#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/encoder.h"

namespace cairn::convnet {

/// What convolutional encoders share: they see whole views, whose last feature map becomes the tokens and, averaged,
/// the pooled feature. There is one token for each place of the view's grid: a cell of the map where the network's
/// stride is the patch, else the map averaged (or repeated) to the grid. The blocks of Look::taps are those of the last
/// stage, as they alone are as wide as the features.
class ConvNet : public Encoder {
 public:
  /// ConfigError unless the views have two axes.
  explicit ConvNet(const EncoderSetting& setting);

  /// Error if tokens are left out or masked.
  Encoded encode(const View& view, const Look& look) final;
  bool can_hide_tokens() const final { return false; }

 protected:
  /// Data [B,C,H,W] to the last feature map [B,D,h,w]; the outputs of the blocks in `taps` are appended to `tapped`.
  virtual at::Tensor feature_map(const at::Tensor& data, std::span<const std::int64_t> taps,
                                 std::vector<at::Tensor>& tapped) = 0;
  /// What follows the last block, on features [...,D].
  virtual at::Tensor finish(const at::Tensor& features);
};

}  // namespace cairn::convnet
