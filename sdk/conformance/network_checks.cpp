#include "conformance/network_checks.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <string>

#include "model/named_state.h"
#include "nn/autocast.h"

namespace cairn::conformance {
namespace {

constexpr double kNoise = 0.02;         // takes parameters away from zeros that would hide a gradient
constexpr double kHalfPrecision = 0.1;  // relative: bfloat16 has 8 bits, and errors add up over the layers
constexpr double kOtherDevice = 1e-3;   // relative: sums in another order, TF32 aside

std::shared_ptr<torch::nn::Module> built(const Network& network, std::uint64_t seed) {
  at::manual_seed(seed);
  auto module = network.build();
  const at::NoGradGuard no_grad;
  for (at::Tensor& parameter : module->parameters()) parameter.add_(at::randn_like(parameter), kNoise);
  module->eval();
  return module;
}

std::vector<at::Tensor> answers(const Network& network, torch::nn::Module& module, at::Device device = at::kCPU) {
  const at::NoGradGuard no_grad;
  at::manual_seed(0);
  return network.answer(module, device);
}

bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!a[i].equal(b[i])) return false;
  return true;
}

double largest_error(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, relative_error(a[i], b[i]));
  return largest;
}

std::string check_state(const Network& network) {
  const auto one = built(network, 1), other = built(network, 2);
  const auto before = answers(network, *one);
  require(equal(before, answers(network, *one)), "the same input gives another output the second time");
  load_named_state(named_state({{"", other}}), named_state({{"", one}}), "the first network");
  require(equal(before, answers(network, *other)),
          "a second network with the same parameters and buffers answers otherwise");
  return {};
}

std::string check_gradients(const Network& network) {
  const auto module = built(network, 1);
  module->train();
  at::manual_seed(3);
  at::Tensor loss = at::zeros({});
  for (const at::Tensor& output : network.answer(*module, at::kCPU)) {
    require(output.isfinite().all().item<bool>(), "an output is not finite");
    loss = loss + (output * at::randn_like(output)).sum();
  }
  require(loss.requires_grad() || module->parameters().empty(), "no output depends on a parameter");
  if (loss.requires_grad()) loss.backward();
  std::string without;
  std::int64_t count = 0;
  for (const auto& item : module->named_parameters()) {
    if (!item.value().requires_grad()) continue;
    const at::Tensor& gradient = item.value().grad();
    count += item.value().numel();
    if (!gradient.defined() || !gradient.count_nonzero().item<std::int64_t>()) without += " " + item.key();
    require(!gradient.defined() || gradient.isfinite().all().item<bool>(),
            item.key() + " gets a gradient that is not finite");
  }
  require(without.empty(), "no gradient reaches" + without);
  return fmt::format("{} parameters", count);
}

std::string check_half(const Network& network) {
  const auto module = built(network, 1);
  const auto exact = answers(network, *module);
  const Autocast cast(at::kCPU, true);
  const double error = largest_error(answers(network, *module), exact);
  require(error < kHalfPrecision, fmt::format("outputs differ by {:.2g} of their range", error));
  return fmt::format("to {:.2g} of the range", error);
}

std::string check_device(const Network& network) {
  if (at::getNumGPUs() == 0) throw Skip{"there is no CUDA device"};
  const auto module = built(network, 1);
  const auto here = answers(network, *module);
  module->to(at::kCUDA);
  auto there = answers(network, *module, at::kCUDA);
  for (at::Tensor& output : there) output = output.cpu();
  const double error = largest_error(there, here);
  require(error < kOtherDevice, fmt::format("outputs differ by {:.2g} of their range", error));
  return fmt::format("to {:.2g} of the range", error);
}

}  // namespace

std::string shape_text(at::IntArrayRef sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

double relative_error(const at::Tensor& a, const at::Tensor& b) {
  require(a.sizes() == b.sizes(), "outputs differ in shape");
  if (b.numel() == 0) return 0;
  const at::Tensor expected = b.to(at::kDouble);
  return ((a.to(at::kDouble) - expected).abs().max() / expected.abs().max().clamp_min(1e-12)).item<double>();
}

void check_network(const Network& network, Findings& findings) {
  findings.check(
      "all of its state is in parameters and buffers",
      "register every tensor it learns or keeps (register_parameter, register_buffer, register_module): core "
      "trains, averages and saves those, and nothing else",
      [&] { return check_state(network); });
  findings.check(
      "a gradient reaches every parameter",
      "a parameter that the output does not depend on is never trained: remove it, or look for a detach(), a "
      "NoGradGuard or a branch that leaves it out",
      [&] { return check_gradients(network); });
  findings.check("bfloat16 autocast gives much the same",
                 "do sums over many values, norms and exponentials in float32: x.to(at::kFloat)",
                 [&] { return check_half(network); });
  findings.check(
      "CPU and CUDA give the same",
      "make new tensors on the device of the input: at::zeros(..., x.options()); hold a kernel against its twin "
      "for the CPU",
      [&] { return check_device(network); });
}

}  // namespace cairn::conformance
