#include "model/branch.h"

#include <ATen/ATen.h>

#include <utility>

#include "plugin/guard.h"

namespace cairn {

Branch::Branch(std::shared_ptr<Encoder> encoder, std::string encoder_type, std::shared_ptr<Projector> projector,
               std::string projector_type)
    : encoder_(register_module("encoder", std::move(encoder))),
      encoder_type_(std::move(encoder_type)),
      projector_type_(std::move(projector_type)) {
  if (projector) projector_ = register_module("projector", std::move(projector));
}

at::Tensor Branch::project(const at::Tensor& rows) {
  return call_plugin(projector_type_, [&] { return projector_->project(rows); });
}

Encoded Branch::look_at(const View& view, const Look& look) {
  return call_plugin(encoder_type_, [&] { return encoder_->encode(view, look); });
}

Encoded Branch::encode(const View& view, const Look& look) {
  Encoded encoded = look_at(view, look);
  if (projector_) encoded.pooled = project(encoded.pooled);
  return encoded;
}

at::Tensor Branch::project_tokens(const at::Tensor& tokens) {
  return project(tokens.flatten(0, 1)).unflatten(0, {tokens.size(0), tokens.size(1)});
}

at::Tensor Branch::embed(const View& view) { return look_at(view, {}).pooled; }

std::int64_t Branch::pooled_width() const { return projector_ ? projector_->width() : encoder_->width(); }

}  // namespace cairn
