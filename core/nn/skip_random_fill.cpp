#include "nn/skip_random_fill.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <optional>

namespace cairn::nn {
namespace {

// A key of LibTorch for modes like this one, which nothing else uses.
constexpr c10::DispatchKey kKey = c10::DispatchKey::TESTING_ONLY_GenericMode;

at::Tensor& leave(at::Tensor& self, double, double, std::optional<at::Generator>) { return self; }

TORCH_LIBRARY_IMPL(_, TESTING_ONLY_GenericMode, library) { library.fallback(torch::CppFunction::makeFallthrough()); }

TORCH_LIBRARY_IMPL(aten, TESTING_ONLY_GenericMode, library) {
  library.impl("uniform_", leave);
  library.impl("normal_", leave);
}

}  // namespace

SkipRandomFill::SkipRandomFill() : guard_(kKey) {}

bool SkipRandomFill::is_active() { return c10::impl::tls_is_dispatch_key_included(kKey); }

}  // namespace cairn::nn
