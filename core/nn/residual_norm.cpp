#include "nn/residual_norm.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/columns_device.h"
#include "kernels/residual_norm_device.h"
#include "nn/autocast.h"
#include "nn/cpu_passes.h"
#include "nn/maybe_tensor.h"
#include "nn/mixed.h"
#include "nn/training_pass.h"

namespace cairn::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::ResidualNormShape shape_of(const at::Tensor& stream, double epsilon) {
  return {stream.numel() / stream.size(-1), stream.size(-1), static_cast<float>(epsilon)};
}

float* data(const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr<float>() : nullptr; }
void* data16(const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr() : nullptr; }

class AddNorm : public torch::autograd::Function<AddNorm> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& stream, const MaybeTensor& branch,
                               const at::Tensor& gamma, const at::Tensor& beta, double epsilon) {
    const c10::DeviceGuard guard(stream.device());
    const at::Tensor x = stream.contiguous();
    const at::Tensor added = branch ? branch->to(at::kBFloat16).contiguous() : at::Tensor();
    const kernels::ResidualNormShape shape = shape_of(x, epsilon);
    const at::Tensor sum = branch ? at::empty_like(x) : at::Tensor();
    const at::Tensor normed = at::empty_like(x, at::kBFloat16);
    const at::Tensor mean = at::empty({shape.rows}, x.options()), inverse = at::empty_like(mean);
    kernels::residual_norm(
        {data(x), data16(added), data(gamma), data(beta), data(sum), data16(normed), data(mean), data(inverse)}, shape);
    context->set_materialize_grads(false);
    context->save_for_backward({branch ? sum : x, mean, inverse, gamma});
    context->saved_data["epsilon"] = epsilon;
    keep_own_gradient(context, "of_gamma", gamma);
    keep_own_gradient(context, "of_beta", beta);
    context->saved_data["has_branch"] = branch.has_value();
    if (!branch) return {normed};
    return {normed, sum};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &sum = saved[0], &gamma = saved[3];
    const c10::DeviceGuard guard(sum.device());
    const bool has_branch = context->saved_data["has_branch"].toBool();
    const kernels::ResidualNormShape shape = shape_of(sum, context->saved_data["epsilon"].toDouble());
    const at::Tensor of_normed =
        gradients[0].defined() ? gradients[0].to(at::kBFloat16).contiguous() : at::zeros_like(sum, at::kBFloat16);
    const at::Tensor of_sum =
        has_branch && gradients[1].defined() ? gradients[1].to(at::kFloat).contiguous() : at::Tensor();
    const at::Tensor of_stream = at::empty_like(sum);
    const at::Tensor of_branch = has_branch ? at::empty_like(sum, at::kBFloat16) : at::Tensor();
    const at::Tensor parts = at::empty({kernels::residual_norm_parts(shape), 2 * shape.width}, sum.options());
    kernels::residual_norm_backward({data(sum), data(saved[1]), data(saved[2]), data(gamma), data16(of_normed),
                                     data(of_sum), data(of_stream), data16(of_branch), data(parts)},
                                    shape);
    variable_list out = {of_stream, of_branch};
    const variable_list of_norm = sum_of(parts, own_gradient(context, "of_gamma"), own_gradient(context, "of_beta"));
    out.insert(out.end(), of_norm.begin(), of_norm.end());
    out.emplace_back();  // of epsilon
    return out;
  }

 private:
  /// The gradients of gamma and beta: added to theirs, or returned where one is undefined.
  static variable_list sum_of(const at::Tensor& parts, const at::Tensor& of_gamma, const at::Tensor& of_beta) {
    const bool adds = of_gamma.defined() && of_beta.defined();
    const at::Tensor both = adds ? at::Tensor() : at::empty({2, parts.size(1) / 2}, parts.options());
    const at::Tensor first = adds ? of_gamma : both[0], second = adds ? of_beta : both[1];
    kernels::sum_parts(data(parts), {data(first), data(second)}, {parts.size(0), parts.size(1), adds});
    return adds ? variable_list{{}, {}} : variable_list{first, second};
  }
};

}  // namespace

bool is_fused(const at::Tensor& stream) {
  if (stream.scalar_type() != at::kFloat) return false;
  if (has_cpu_passes(stream)) return true;
  return stream.is_cuda() && is_mixed(stream.device()) && stream.numel() > 0 && stream.size(-1) % 4 == 0 &&
         stream.size(-1) <= kernels::kWidestNorm;
}

Branch branch_of(const at::Tensor& x, const torch::nn::Linear& map) {
  if (has_cpu_passes(x)) return {cpu_linear(x, map->weight), map->bias};
  return {linear(x, map), {}};
}

Normed add_norm(const at::Tensor& stream, const Branch& branch, const torch::nn::LayerNorm& norm) {
  if (stream.is_cpu()) return cpu_add_norm(stream, branch, norm);
  const variable_list out = AddNorm::apply(stream, present(branch.rows), norm->weight, norm->bias, norm->options.eps());
  return {out.size() > 1 ? out[1] : stream, out[0]};
}

}  // namespace cairn::nn
