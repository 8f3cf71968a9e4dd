#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "cairn/export.h"

namespace torch::autograd {
struct AutogradContext;
}

namespace cairn::nn {

/// What a pass of training knows of the parameters. While one lives, the layers of this thread add what they learn to
/// the weights' gradients themselves, where autograd would make it first and add it then; and in mixed precision they
/// take 16-bit weights from a copy of all of them.
class CAIRN_API TrainingPass {
 public:
  /// float32 [S], of which parameters are views, and the same in bfloat16.
  struct Copy {
    at::Tensor whole, half;
  };
  using Copies = std::vector<Copy>;

  /// `copies`: of the flat memory that parameters are views of; empty where products take weights as they are. Or what
  /// now() gave elsewhere, which may be null: as if no pass lived.
  explicit TrainingPass(std::shared_ptr<const Copies> copies);
  ~TrainingPass();
  TrainingPass(const TrainingPass&) = delete;
  TrainingPass& operator=(const TrainingPass&) = delete;

  /// That of this thread; null where none lives.
  static std::shared_ptr<const Copies> now();

 private:
  std::shared_ptr<const Copies> outer_;
};

/// `weight` in bfloat16, without a gradient.
at::Tensor half(const at::Tensor& weight);

/// Keeps under `name`, for the backward pass, where it is to add the gradient of `parameter`, which may be undefined.
void keep_own_gradient(torch::autograd::AutogradContext* context, const char* name, const at::Tensor& parameter);

/// What was kept; undefined where autograd does it.
at::Tensor own_gradient(torch::autograd::AutogradContext* context, const char* name);

/// Adds `found` to `own` and returns nothing, or returns it for autograd where `own` is undefined.
at::Tensor added(const at::Tensor& own, const at::Tensor& found);

}  // namespace cairn::nn
