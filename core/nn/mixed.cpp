#include "nn/mixed.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <initializer_list>

#include "kernels/columns_device.h"
#include "nn/autocast.h"
#include "nn/cpu_passes.h"
#include "nn/cpu_product.h"
#include "nn/maybe_tensor.h"
#include "nn/training_pass.h"

namespace cairn::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

bool is_learnt(const at::Tensor& x) { return at::GradMode::is_enabled() && x.requires_grad(); }

/// Whether kernels::columns takes these contiguous matrices, all [..,N].
bool has_kernel(std::initializer_list<at::Tensor> all) {
  return std::all_of(all.begin(), all.end(), [](const at::Tensor& x) {
    constexpr std::uintptr_t kAlignment = 16;
    return x.is_cuda() && x.numel() > 0 && x.size(-1) % 8 == 0 && x.is_contiguous() &&
           x.scalar_type() == at::kBFloat16 && reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % kAlignment == 0;
  });
}

/// The sums of the parts that `pass` leaves, added to `into` or, where that is undefined, returned: float32 [N].
template <class Pass>
at::Tensor sum_of_parts(const at::Tensor& into, const at::Tensor& like, const kernels::ColumnsShape& shape,
                        Pass&& pass) {
  const c10::DeviceGuard guard(like.device());
  const at::Tensor parts = at::empty({kernels::column_parts(shape), shape.width}, like.options().dtype(at::kFloat));
  pass(parts.mutable_data_ptr<float>());
  const at::Tensor sums = into.defined() ? into : at::empty({shape.width}, parts.options());
  kernels::sum_parts(parts.const_data_ptr<float>(), {sums.mutable_data_ptr<float>(), nullptr},
                     {parts.size(0), shape.width, into.defined()});
  return into.defined() ? at::Tensor() : sums;
}

/// The columns of rows [M,N], summed: added to `into` or returned as float32 [N].
at::Tensor column_sums(const at::Tensor& into, const at::Tensor& rows) {
  if (has_kernel({rows})) {
    const kernels::ColumnsShape shape = {rows.size(0), rows.size(1)};
    return sum_of_parts(into, rows, shape,
                        [&](float* parts) { kernels::sum_columns(rows.const_data_ptr(), parts, shape); });
  }
  return added(into, rows.sum(0, /*keepdim=*/false, at::kFloat));
}

/// GELU of what needs no gradient.
at::Tensor plain_gelu(const at::Tensor& x) {
  if (!has_kernel({x})) return at::gelu(x);
  const c10::DeviceGuard guard(x.device());
  at::Tensor out = at::empty_like(x);
  kernels::gelu(x.const_data_ptr(), out.mutable_data_ptr(), x.numel());
  return out;
}

/// x [..,in] by weight [out,in], both bfloat16, plus bias [out].
at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias) {
  if (x.is_cpu()) return cpu_product(x, weight, bias);
  return at::linear(x, weight, bias ? MaybeTensor(half(*bias)) : std::nullopt);
}

/// The product, with its 16-bit operands and where its gradients go kept for the backward pass.
at::Tensor map(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias,
               bool is_kept_whole = false) {
  const at::Tensor x16 = x.to(at::kBFloat16), weight16 = half(weight);
  const at::Tensor out = product(x16, weight16, bias);
  context->save_for_backward(is_kept_whole ? variable_list{x16, weight16, out} : variable_list{x16, weight16});
  context->saved_data["has_bias"] = bias.has_value();
  keep_own_gradient(context, "of_weight", weight);
  keep_own_gradient(context, "of_bias", bias.value_or(at::Tensor()));
  return out;
}

/// rows^T x, float32 [out,in]; added to `into` where that is defined.
at::Tensor of_weight(const at::Tensor& into, const at::Tensor& rows, const at::Tensor& x) {
  if (rows.is_cpu()) return cpu_weight_gradient(into, rows, x);
  if (!into.defined()) return at::mm(rows.t(), x, at::kFloat);
  at::Tensor sum = into;
  at::addmm_out(sum, sum, rows.t(), x, at::kFloat);
  return {};
}

/// The gradients of x, weight and bias, from the rows [M,out] of the output's; that of the bias by `sums`, which gets
/// where to add it.
template <class Sums>
variable_list gradients_of(AutogradContext* context, const at::Tensor& rows, Sums&& sums) {
  const variable_list kept = context->get_saved_variables();
  const at::Tensor x = kept[0].reshape({-1, kept[0].size(-1)}), &weight = kept[1];
  const at::Tensor of_bias = sums(own_gradient(context, "of_bias"));
  const auto of_x = [&] { return rows.is_cpu() ? cpu_input_gradient(rows, weight) : at::mm(rows, weight); };
  return {context->needs_input_grad(0) ? of_x().view(kept[0].sizes()) : at::Tensor(),
          context->needs_input_grad(1) ? of_weight(own_gradient(context, "of_weight"), rows, x) : at::Tensor(),
          context->saved_data["has_bias"].toBool() ? of_bias : at::Tensor()};
}

variable_list gradients_of(AutogradContext* context, const at::Tensor& rows) {
  return gradients_of(context, rows, [&](const at::Tensor& into) {
    return context->saved_data["has_bias"].toBool() ? column_sums(into, rows) : at::Tensor();
  });
}

at::Tensor half_rows(const at::Tensor& gradient) {
  return gradient.reshape({-1, gradient.size(-1)}).to(at::kBFloat16).contiguous();
}

class Linear : public Function<Linear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const MaybeTensor& bias) {
    return map(context, x, weight, bias);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return gradients_of(context, half_rows(gradients[0]));
  }
};

class LinearGelu : public Function<LinearGelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const MaybeTensor& bias) {
    return plain_gelu(map(context, x, weight, bias, /*is_kept_whole=*/true));
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor rows = half_rows(gradients[0]);
    const at::Tensor inner = context->get_saved_variables()[2].view(rows.sizes());
    if (!has_kernel({rows, inner})) return gradients_of(context, at::gelu_backward(rows, inner));
    const at::Tensor of_inner = at::empty_like(rows);
    const kernels::ColumnsShape shape = {rows.size(0), rows.size(1)};
    return gradients_of(context, of_inner, [&](const at::Tensor& into) {
      return sum_of_parts(into, rows, shape, [&](float* parts) {
        kernels::gelu_backward_columns(inner.const_data_ptr(), rows.const_data_ptr(), of_inner.mutable_data_ptr(),
                                       parts, shape);
      });
    });
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
    const std::int64_t rows = gradients[0].size(0) * gradients[0].size(2),
                       width = gradients[0].size(1) * gradients[0].size(3);
    std::array<at::Tensor, 3> from;  // [M,D], from [B,H,N,D/H]
    std::transform(gradients.begin(), gradients.end(), from.begin(), [&](const at::Tensor& gradient) {
      return gradient.transpose(1, 2).to(at::kBFloat16).reshape({rows, width});
    });
    variable_list out = packed(context, from);
    out.emplace_back();  // of the number of heads
    return out;
  }

 private:
  static variable_list packed(AutogradContext* context, const std::array<at::Tensor, 3>& from) {
    if (!has_kernel({from[0], from[1], from[2]})) return gradients_of(context, at::cat(at::TensorList(from), 1));
    const kernels::ColumnsShape shape = {from[0].size(0), 3 * from[0].size(1)};
    const at::Tensor rows = at::empty({shape.rows, shape.width}, from[0].options());
    return gradients_of(context, rows, [&](const at::Tensor& into) {
      return sum_of_parts(into, rows, shape, [&](float* parts) {
        kernels::pack_columns({from[0].const_data_ptr(), from[1].const_data_ptr(), from[2].const_data_ptr()},
                              rows.mutable_data_ptr(), parts, shape);
      });
    });
  }
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (!is_mixed(x.device())) return at::linear(x, weight, present(bias));
  if (is_learnt(x) || is_learnt(weight) || (bias.defined() && is_learnt(bias)))
    return Linear::apply(x, weight, present(bias));
  return product(x.to(at::kBFloat16), half(weight), present(bias));
}

at::Tensor linear(const at::Tensor& x, const torch::nn::Linear& map) { return linear(x, map->weight, map->bias); }

at::Tensor linear_gelu(const at::Tensor& x, const torch::nn::Linear& map) {
  if (has_cpu_passes(x) && map->bias.defined()) return cpu_linear_gelu(x, map);
  if (is_mixed(x.device()) && is_learnt(map->weight)) return LinearGelu::apply(x, map->weight, present(map->bias));
  const at::Tensor inner = linear(x, map);
  return inner.requires_grad() ? at::gelu(inner) : plain_gelu(inner);
}

std::array<at::Tensor, 3> linear_qkv(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                     std::int64_t heads) {
  if (is_mixed(x.device()) && is_learnt(weight)) {
    const variable_list parts = LinearQkv::apply(x, weight, present(bias), heads);
    return {parts[0], parts[1], parts[2]};
  }
  const at::Tensor packed = linear(x, weight, bias);
  const auto parts = packed.view({x.size(0), x.size(1), 3, heads, -1}).permute({2, 0, 3, 1, 4}).unbind(0);
  return {parts[0], parts[1], parts[2]};
}

}  // namespace cairn::nn
