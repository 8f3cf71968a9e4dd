#pragma once

#include <memory>
#include <string>

#include "cairn/encoder.h"
#include "cairn/export.h"
#include "cairn/predictor.h"

namespace cairn {

/// What student and teacher both have: an encoder and, where the experiment asks for one, a projector behind it.
class CAIRN_API Branch : public torch::nn::Module {
 public:
  /// The types, as "transformer.vit", name encoder and projector in their errors.
  Branch(std::shared_ptr<Encoder> encoder, std::string encoder_type, std::shared_ptr<Projector> projector = nullptr,
         std::string projector_type = {});

  /// Encodes, without the projector.
  Encoded look_at(const View& view, const Look& look);
  /// Encodes, and projects the pooled feature.
  Encoded encode(const View& view, const Look& look);
  /// The encoder's own pooled feature [B,D], which probes are about.
  at::Tensor embed(const View& view);

  /// The projector on tokens, one by one, as in iBOT: [B,Q,D] to [B,Q,O].
  at::Tensor project_tokens(const at::Tensor& tokens);

  Encoder& encoder() { return *encoder_; }
  bool has_projector() const { return projector_ != nullptr; }
  /// Width of Encoded::pooled.
  std::int64_t pooled_width() const;

 private:
  at::Tensor project(const at::Tensor& rows);

  std::shared_ptr<Encoder> encoder_;
  std::shared_ptr<Projector> projector_;
  std::string encoder_type_, projector_type_;
};

}  // namespace cairn
