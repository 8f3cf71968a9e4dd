#include "nn/cpu_product.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/cpu/Utils.h>
#include <ATen/record_function.h>

#include <string_view>
#include <vector>

#include "kernels/half_linear.h"
#include "nn/row_type.h"
#include "nn/training_pass.h"

namespace cairn::nn {
namespace {

constexpr double kFewestOperations = 1e8;  // below them a kernel made for the shape does not pay for itself

using Scalars = c10::List<std::optional<at::Scalar>>;
using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const MaybeTensor&, std::string_view, Scalars,
                          std::optional<std::string_view>);

bool is_amds() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amd") != 0 && __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}

/// oneDNN's linear map by ATen, where there is one to take.
std::optional<c10::TypedOperatorHandle<Linear>> find_linear() {
  if (!is_amds() || !at::globalContext().userEnabledMkldnn()) return {};
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return found ? std::optional(found->typed<Linear>()) : std::nullopt;
}

bool has_instruction(const char* name) {
  const auto able = at::cpu::get_cpu_capabilities();
  const auto found = able.find(name);
  return found != able.end() && found->second.isBool() && found->second.toBool();
}

/// Autocast would make bfloat16 of what is float32 for a reason.
struct NoAutocast {
  c10::impl::ExcludeDispatchKeyGuard guard{c10::DispatchKey::AutocastCPU};
};

using Bits = std::uint16_t;

/// Of the map of `values` inputs in all by a weight of these sizes, if it is one for kernels/half_linear.h; `like` is
/// what it is computed in.
std::optional<kernels::LinearShape> half_shape(const at::Tensor& like, at::IntArrayRef weight, std::int64_t values) {
  if (!is_half(like) || !has_fast_bfloat16() || weight[1] == 0) return {};
  const kernels::LinearShape shape = {values / weight[1], weight[1], weight[0]};
  return kernels::has_half_linear(shape) ? std::optional(shape) : std::nullopt;
}

/// Tells a profile that a product of these is computed, which no operator of ATen's does.
template <class Work>
void as_product(const at::Tensor& a, const at::Tensor& b, Work&& work) {
  RECORD_FUNCTION("cairn::product", std::vector<c10::IValue>({a, b}));
  work();
}

at::Tensor half_product(const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias,
                        const kernels::LinearShape& shape) {
  const at::Tensor rows = x.contiguous(), factors = weight.contiguous();
  const at::Tensor shift = bias ? bias->to(at::kFloat).contiguous() : at::Tensor();
  at::DimVector sizes(x.sizes());
  sizes.back() = shape.out;
  at::Tensor out = at::empty(sizes, rows.options());
  as_product(rows, factors.t(), [&] {
    kernels::half_linear(data_of<Bits>(rows), data_of<Bits>(factors), data_of(shift), data_of<Bits>(out), shape);
  });
  return out;
}

at::Tensor half_input_gradient(const at::Tensor& rows, const at::Tensor& weight, const kernels::LinearShape& shape) {
  const at::Tensor y = rows.contiguous(), factors = weight.contiguous();
  at::Tensor out = at::empty({shape.rows, shape.in}, y.options());
  as_product(y, factors, [&] {
    kernels::half_input_gradient(data_of<Bits>(y), data_of<Bits>(factors), data_of<Bits>(out), shape);
  });
  return out;
}

/// The weight's gradient, added to `into` or returned.
at::Tensor half_weight_gradient(const at::Tensor& into, const at::Tensor& rows, const at::Tensor& inputs,
                                const kernels::LinearShape& shape) {
  const at::Tensor y = rows.contiguous(), x = inputs.contiguous();
  const bool adds = into.defined() && into.is_contiguous();
  const at::Tensor out = adds ? into : at::empty({shape.out, shape.in}, y.options().dtype(at::kFloat));
  as_product(y.t(), x,
             [&] { kernels::half_weight_gradient(data_of<Bits>(y), data_of<Bits>(x), data_of(out), shape, adds); });
  return adds ? at::Tensor() : added(into, out);
}

/// `x` as it is best multiplied.
at::Tensor factor(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && !has_fast_bfloat16() ? x.to(at::kFloat) : x;
}

}  // namespace

at::Tensor cpu_product(const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias) {
  static const auto linear = find_linear();
  const NoAutocast no_autocast;
  const auto shape = half_shape(x, weight.sizes(), x.numel());
  if (shape && is_half(weight)) return half_product(x, weight, bias, *shape);
  const at::Tensor a = factor(x), b = factor(weight);
  const MaybeTensor shift = bias ? MaybeTensor(bias->to(a.scalar_type())) : std::nullopt;
  const double operations = 2.0 * static_cast<double>(a.numel()) * static_cast<double>(b.size(0));
  const bool is_onednns = linear && a.scalar_type() == at::kFloat && operations >= kFewestOperations;
  const at::Tensor out = is_onednns ? linear->call(a, b, shift, "none", Scalars(), "") : at::linear(a, b, shift);
  return out.to(x.scalar_type());
}

std::optional<ProductGelu> cpu_product_gelu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                                            bool wants_slope) {
  const auto shape = half_shape(x, weight.sizes(), x.numel());
  if (!shape || !is_half(weight)) return {};
  const at::Tensor rows = x.contiguous(), factors = weight.contiguous(), shift = bias.to(at::kFloat).contiguous();
  const at::Tensor out = at::empty({shape->rows, shape->out}, rows.options());
  const at::Tensor slope = wants_slope ? at::empty_like(out) : at::Tensor();
  as_product(rows, factors.t(), [&] {
    kernels::half_linear_gelu(data_of<Bits>(rows), data_of<Bits>(factors), data_of(shift), data_of<Bits>(out),
                              data_of<Bits>(slope), *shape);
  });
  return ProductGelu{out, slope};
}

at::Tensor cpu_input_gradient(const at::Tensor& rows, const at::Tensor& weight) {
  const NoAutocast no_autocast;
  if (const auto shape = half_shape(rows, weight.sizes(), rows.size(0) * weight.size(1)))
    return half_input_gradient(rows, weight, *shape);
  return at::mm(factor(rows), factor(weight)).to(rows.scalar_type());
}

at::Tensor cpu_weight_gradient(const at::Tensor& into, const at::Tensor& rows, const at::Tensor& inputs) {
  const NoAutocast no_autocast;
  if (const auto shape = half_shape(rows, {rows.size(1), inputs.size(1)}, inputs.numel()))
    return half_weight_gradient(into, rows, inputs, *shape);
  const at::Tensor x = factor(rows), y = factor(inputs);
  if (x.scalar_type() != at::kFloat) return added(into, at::mm(x.t(), y).to(at::kFloat));
  // The longer axis first, which the product is faster for.
  const bool is_turned = x.size(1) < y.size(1);
  const at::Tensor a = is_turned ? y.t() : x.t(), &b = is_turned ? x : y;
  if (into.defined()) {
    (is_turned ? into.t() : into).addmm_(a, b);
    return {};
  }
  return is_turned ? at::mm(a, b).t() : at::mm(a, b);
}

bool has_fast_bfloat16() {
  static const bool found = has_instruction("amx_bf16") || (has_instruction("avx512_bf16") && is_amds());
  return found;
}

}  // namespace cairn::nn
