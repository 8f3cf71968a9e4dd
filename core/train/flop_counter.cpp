#include "train/flop_counter.h"

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

namespace cairn {
namespace {

std::atomic<double> counted = 0.0;

using Inputs = c10::ArrayRef<const c10::IValue>;

at::Tensor tensor(Inputs inputs, std::size_t i) {
  return i < inputs.size() && inputs[i].isTensor() ? inputs[i].toTensor() : at::Tensor();
}

/// A product of two matrices, or of two batches of them.
double product(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined() || a.dim() < 2 || b.dim() < 2) return 0.0;
  return 2.0 * static_cast<double>(a.numel()) * static_cast<double>(b.size(-1));
}

/// `products` products of the size of queries [B,H,N,D] with keys [B,H,M,D].
double attention(const at::Tensor& q, const at::Tensor& k, double products) {
  if (!q.defined() || !k.defined() || k.dim() < 2) return 0.0;
  return 2.0 * products * static_cast<double>(q.numel()) * static_cast<double>(k.size(-2));
}

/// The same of queries, keys and values side by side, [B,N,3*D], and so many pairs of tokens.
double self_attention(Inputs inputs, double products) {
  const at::Tensor packed = tensor(inputs, 0);
  if (!packed.defined() || inputs.size() < 2) return 0.0;
  return 2.0 * products * static_cast<double>(packed.size(2) / 3 * inputs[1].toInt());
}

bool is_backward(std::string_view name) { return name.ends_with("_backward"); }

/// Each output value is a sum over the weights of one output channel.
double convolution(double outputs, const at::Tensor& weight) {
  return 2.0 * outputs * static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0));
}

double convolution_outputs(Inputs inputs) {
  const at::Tensor x = tensor(inputs, 0), weight = tensor(inputs, 1);
  if (!x.defined() || !weight.defined() || inputs.size() < 6) return 0.0;
  const auto stride = inputs[3].toIntVector(), padding = inputs[4].toIntVector(), dilation = inputs[5].toIntVector();
  double outputs = static_cast<double>(x.size(0) * weight.size(0));
  for (std::int64_t i = 0; i + 2 < x.dim(); ++i) {
    const auto at = [&](const std::vector<std::int64_t>& all) {
      return all[std::min(all.size() - 1, static_cast<std::size_t>(i))];
    };
    const std::int64_t reach = at(dilation) * (weight.size(i + 2) - 1) + 1;
    outputs *= static_cast<double>((x.size(i + 2) + 2 * at(padding) - reach) / at(stride) + 1);
  }
  return outputs;
}

double operations(std::string_view name, Inputs inputs) {
  if (name == "aten::mm" || name == "aten::bmm" || name == "cairn::product")
    return product(tensor(inputs, 0), tensor(inputs, 1));
  if (name == "aten::addmm" || name == "aten::addmm_" || name == "aten::baddbmm")
    return product(tensor(inputs, 1), tensor(inputs, 2));
  if (name == "mkldnn::_linear_pointwise") return product(tensor(inputs, 0), tensor(inputs, 1).t());
  if (name == "aten::convolution") {
    const at::Tensor weight = tensor(inputs, 1);
    return weight.defined() ? convolution(convolution_outputs(inputs), weight) : 0.0;
  }
  if (name == "aten::convolution_backward") {
    const at::Tensor gradient = tensor(inputs, 0), weight = tensor(inputs, 2);
    if (!gradient.defined() || !weight.defined()) return 0.0;
    return 2.0 * convolution(static_cast<double>(gradient.numel()), weight);
  }
  if (name.starts_with("cairn::self_attention")) return self_attention(inputs, is_backward(name) ? 5.0 : 2.0);
  // The plain form runs products that are counted themselves.
  if (!name.starts_with("aten::_scaled_dot_product_") || name.find("math") != std::string_view::npos) return 0.0;
  if (is_backward(name)) return attention(tensor(inputs, 1), tensor(inputs, 2), 5.0);
  return attention(tensor(inputs, 0), tensor(inputs, 1), 2.0);
}

std::unique_ptr<at::ObserverContext> observe(const at::RecordFunction& function) {
  counted += operations(function.name(), function.inputs());
  return nullptr;
}

}  // namespace

FlopCounter::FlopCounter()
    : handle_(at::addGlobalCallback(
          at::RecordFunctionCallback(&observe).needsInputs(true).scopes({at::RecordScope::FUNCTION}))) {
  counted = 0.0;
}

FlopCounter::~FlopCounter() { at::removeCallback(handle_); }

double FlopCounter::total() const { return counted; }

}  // namespace cairn
