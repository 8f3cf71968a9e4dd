#include "model/branch.h"

#include <ATen/ATen.h>

namespace cairn {

Branch::Branch(std::shared_ptr<Encoder> encoder, std::shared_ptr<Projector> projector)
    : encoder_(register_module("encoder", std::move(encoder))) {
  if (projector) projector_ = register_module("projector", std::move(projector));
}

Encoded Branch::encode(const View& view, const Look& look) {
  Encoded encoded = encoder_->encode(view, look);
  if (!projector_) return encoded;
  encoded.pooled = projector_->project(encoded.pooled);
  if (projects_tokens_) {
    const at::Tensor& tokens = encoded.tokens;
    encoded.tokens = projector_->project(tokens.flatten(0, 1)).unflatten(0, {tokens.size(0), tokens.size(1)});
  }
  return encoded;
}

at::Tensor Branch::embed(const View& view) { return encoder_->encode(view, {}).pooled; }

std::int64_t Branch::pooled_width() const { return projector_ ? projector_->width() : encoder_->width(); }

}  // namespace cairn
