#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "cairn/export.h"

namespace cairn::nn {

/// What a training pass in bfloat16 has of parameters that are laid out flat. While one lives, the layers of this
/// thread take 16-bit weights from one cast of all of them, and on a GPU add what they learn to the weights' gradients
/// themselves, where autograd would make it first and add it then.
class CAIRN_API MixedWeights {
 public:
  struct Copy {
    at::Tensor whole, half;
  };
  using Copies = std::vector<Copy>;

  /// `flat`: float32 [S] each, of which parameters are views.
  explicit MixedWeights(const std::vector<at::Tensor>& flat);
  /// Goes on with what now() gave; nothing where that was null.
  explicit MixedWeights(std::shared_ptr<const Copies> copies);
  ~MixedWeights();
  MixedWeights(const MixedWeights&) = delete;
  MixedWeights& operator=(const MixedWeights&) = delete;

  /// Those of this thread; null where none lives.
  static std::shared_ptr<const Copies> now();

 private:
  std::shared_ptr<const Copies> outer_;
};

/// `weight` in bfloat16, without a gradient.
at::Tensor half(const at::Tensor& weight);

/// Where the gradient of `weight` is to be added; undefined where autograd does it.
at::Tensor own_gradient(const at::Tensor& weight);

}  // namespace cairn::nn
