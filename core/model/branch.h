#pragma once

#include <memory>

#include "cairn/encoder.h"
#include "cairn/export.h"
#include "cairn/predictor.h"

namespace cairn {

/// What student and teacher both have: an encoder and, where the experiment asks for one, a projector behind it.
class CAIRN_API Branch : public torch::nn::Module {
 public:
  Branch(std::shared_ptr<Encoder> encoder, std::shared_ptr<Projector> projector);

  /// Encodes, and projects the pooled feature.
  Encoded encode(const View& view, const Look& look);
  /// The encoder's own pooled feature [B,D], which probes are about.
  at::Tensor embed(const View& view);

  Encoder& encoder() { return *encoder_; }
  /// Width of Encoded::pooled.
  std::int64_t pooled_width() const;

 private:
  std::shared_ptr<Encoder> encoder_;
  std::shared_ptr<Projector> projector_;
};

}  // namespace cairn
