#pragma once

#include <cstdint>
#include <memory>

#include "cairn/nn/head.h"
#include "cairn/options.h"
#include "cairn/predictor.h"

namespace cairn::contrastive {

/// What keeps the prototypes comparable. `normed`: a weight norm of length 1, gradients through it, as in DINO.
/// `projected`: set back to length 1 before each training pass, as in SwAV. `free`: nothing.
enum class PrototypeNorm : std::uint8_t { normed, projected, free };

struct PrototypesOptions : nn::HeadOptions {
  std::int64_t bottleneck = 256;
  std::int64_t prototypes = 4096;
  PrototypeNorm prototype_norm = PrototypeNorm::normed;
  bool small_start = false;
  static Schema<PrototypesOptions> schema();
};

/// Head of the clustering methods: an MLP to a bottleneck, its output at length 1, and the scores of prototypes
/// (DINOHead of Caron et al. 2021; the projection head and prototypes of SwAV, Caron et al. 2020).
class Prototypes : public Projector {
 public:
  Prototypes(const PrototypesOptions& options, const ProjectorSetting& setting);

  /// [B,D] to scores [B,prototypes].
  at::Tensor project(const at::Tensor& pooled) override;
  std::int64_t width() const override { return options_.prototypes; }

 private:
  at::Tensor directions();

  PrototypesOptions options_;
  std::shared_ptr<nn::MlpHead> head_;
  at::Tensor prototypes_;  // [prototypes,bottleneck]
};

}  // namespace cairn::contrastive
