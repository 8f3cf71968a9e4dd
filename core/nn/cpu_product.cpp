#include "nn/cpu_product.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/cpu/Utils.h>

#include <string_view>

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

/// `x` as it is best multiplied.
at::Tensor factor(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && !has_fast_bfloat16() ? x.to(at::kFloat) : x;
}

}  // namespace

at::Tensor cpu_product(const at::Tensor& x, const at::Tensor& weight, const MaybeTensor& bias) {
  static const auto linear = find_linear();
  const NoAutocast no_autocast;
  const at::Tensor a = factor(x), b = factor(weight);
  const MaybeTensor shift = bias ? MaybeTensor(bias->to(a.scalar_type())) : std::nullopt;
  const double operations = 2.0 * static_cast<double>(a.numel()) * static_cast<double>(b.size(0));
  const bool is_onednns = linear && a.scalar_type() == at::kFloat && operations >= kFewestOperations;
  const at::Tensor out = is_onednns ? linear->call(a, b, shift, "none", Scalars(), "") : at::linear(a, b, shift);
  return out.to(x.scalar_type());
}

at::Tensor cpu_input_gradient(const at::Tensor& rows, const at::Tensor& weight) {
  const NoAutocast no_autocast;
  return at::mm(factor(rows), factor(weight)).to(rows.scalar_type());
}

at::Tensor cpu_weight_gradient(const at::Tensor& into, const at::Tensor& rows, const at::Tensor& inputs) {
  const NoAutocast no_autocast;
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
