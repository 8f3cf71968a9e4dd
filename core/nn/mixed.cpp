#include "nn/mixed.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

namespace cairn::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;
using MaybeTensor = std::optional<at::Tensor>;

/// Whether a linear map of x is worth a backward pass of our own.
bool is_mixed(const at::Tensor& x, const at::Tensor& weight) {
  const at::DeviceType device = x.device().type();
  return at::GradMode::is_enabled() && weight.requires_grad() && at::autocast::is_autocast_enabled(device) &&
         at::autocast::get_autocast_dtype(device) == at::kBFloat16;
}

MaybeTensor present(const at::Tensor& x) { return x.defined() ? MaybeTensor(x) : std::nullopt; }

/// The product, with its 16-bit operands kept for the backward pass.
at::Tensor map(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias) {
  const at::Tensor x16 = x.to(at::kBFloat16), weight16 = weight.to(at::kBFloat16);
  context->save_for_backward({x16, weight16});
  context->saved_data["has_bias"] = bias.has_value();
  return at::linear(x16, weight16, bias ? MaybeTensor(bias->to(at::kBFloat16)) : std::nullopt);
}

/// The gradients of x, weight and bias, from the rows [M,out] of the output's.
variable_list gradients_of(AutogradContext* context, const at::Tensor& rows) {
  const variable_list saved = context->get_saved_variables();
  const at::Tensor &x = saved[0], &weight = saved[1];
  const at::Tensor of_weight = at::mm(rows.t(), x.reshape({-1, x.size(-1)}));
  const bool has_bias = context->saved_data["has_bias"].toBool();
  return {context->needs_input_grad(0) ? at::mm(rows, weight).view(x.sizes()) : at::Tensor(), of_weight.to(at::kFloat),
          has_bias ? rows.sum(0, /*keepdim=*/false, at::kFloat) : at::Tensor()};
}

class Linear : public Function<Linear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const MaybeTensor& bias) {
    return map(context, x, weight, bias);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor& gradient = gradients[0];
    return gradients_of(context, gradient.reshape({-1, gradient.size(-1)}).to(at::kBFloat16));
  }
};

class LinearQkv : public Function<LinearQkv> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                               const MaybeTensor& bias, std::int64_t heads) {
    const at::Tensor packed = map(context, x, weight, bias);
    return packed.view({x.size(0), x.size(1), 3, heads, -1}).permute({2, 0, 3, 1, 4}).unbind(0);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor& first = gradients[0];  // [B,H,N,D]
    const std::int64_t batch = first.size(0), heads = first.size(1), count = first.size(2), width = first.size(3);
    const at::Tensor packed = at::empty({batch, count, 3, heads, width}, first.options().dtype(at::kBFloat16));
    for (std::int64_t i = 0; i < 3; ++i)
      packed.select(2, i).copy_(gradients[static_cast<std::size_t>(i)].transpose(1, 2));
    variable_list out = gradients_of(context, packed.view({batch * count, 3 * heads * width}));
    out.emplace_back();  // of the number of heads
    return out;
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return is_mixed(x, weight) ? Linear::apply(x, weight, present(bias)) : at::linear(x, weight, present(bias));
}

at::Tensor linear(const at::Tensor& x, const torch::nn::Linear& map) { return linear(x, map->weight, map->bias); }

std::array<at::Tensor, 3> linear_qkv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                     std::int64_t heads) {
  if (is_mixed(x, weight)) {
    const variable_list parts = LinearQkv::apply(x, weight, present(bias), heads);
    return {parts[0], parts[1], parts[2]};
  }
  const at::Tensor packed = at::linear(x, weight, present(bias));
  const auto parts = packed.view({x.size(0), x.size(1), 3, heads, -1}).permute({2, 0, 3, 1, 4}).unbind(0);
  return {parts[0], parts[1], parts[2]};
}

}  // namespace cairn::nn
