#include "nn/cpu_product.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>
#include <string_view>

namespace cairn::nn {
namespace {

constexpr double kFewestOperations = 1e8;  // below them a kernel made for the shape does not pay for itself

using Scalars = c10::List<std::optional<at::Scalar>>;
using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                          Scalars, std::optional<std::string_view>);

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

}  // namespace

at::Tensor cpu_product(const at::Tensor& rows, const at::Tensor& weight) {
  static const auto linear = find_linear();
  const double operations = 2.0 * static_cast<double>(rows.size(0)) * static_cast<double>(weight.numel());
  if (!linear || operations < kFewestOperations) return at::mm(rows, weight.t());
  return linear->call(rows, weight, std::nullopt, "none", Scalars(), "");
}

}  // namespace cairn::nn
