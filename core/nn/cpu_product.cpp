#include "nn/cpu_product.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/cpu/Utils.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "nn/maybe_tensor.h"

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

bool knows_bfloat16() {
  const auto able = at::cpu::get_cpu_capabilities();
  return std::ranges::any_of(std::array{"avx512_bf16", "amx_bf16"}, [&able](const char* name) {
    const auto one = able.find(name);
    return one != able.end() && one->second.isBool() && one->second.toBool();
  });
}

/// The shortest of several products of `type`.
std::chrono::duration<double> time_of_product(at::ScalarType type) {
  constexpr std::int64_t kSize = 512;
  constexpr int kTimes = 5;
  const at::NoGradGuard no_grad;
  const at::Tensor a = at::ones({kSize, kSize}, type), b = a.clone();
  at::mm(a, b);
  std::chrono::duration<double> least = std::chrono::duration<double>::max();
  for (int i = 0; i < kTimes; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::mm(a, b);
    least = std::min<std::chrono::duration<double>>(least, std::chrono::steady_clock::now() - start);
  }
  return least;
}

}  // namespace

at::Tensor cpu_product(const at::Tensor& rows, const at::Tensor& weight) {
  static const auto linear = find_linear();
  const double operations = 2.0 * static_cast<double>(rows.size(0)) * static_cast<double>(weight.numel());
  if (!linear || operations < kFewestOperations) return at::mm(rows, weight.t());
  return linear->call(rows, weight, std::nullopt, "none", Scalars(), "");
}

bool has_fast_bfloat16() {
  static const bool found = knows_bfloat16() && time_of_product(at::kBFloat16) < time_of_product(at::kFloat);
  return found;
}

}  // namespace cairn::nn
