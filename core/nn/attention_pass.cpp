#include "nn/attention_pass.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <vector>

#include "kernels/attention.h"

namespace cairn::nn {
namespace {

kernels::AttentionShape shape_of(const at::Tensor& packed, std::int64_t heads) {
  return {packed.size(0), packed.size(1), heads, packed.size(2) / 3 / heads};
}

float* data(const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr<float>() : nullptr; }

std::uint16_t* data16(const at::Tensor& x) {
  return reinterpret_cast<std::uint16_t*>(x.mutable_data_ptr<at::BFloat16>());
}

bool is_half(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16; }

}  // namespace

bool has_attention_pass() { return kernels::has_attention(); }

AttentionOutput attention_pass(const at::Tensor& packed, std::int64_t heads, const MaybeTensor& bias) {
  RECORD_FUNCTION("cairn::self_attention", std::vector<c10::IValue>({packed}));
  const kernels::AttentionShape shape = shape_of(packed, heads);
  const AttentionOutput out = {at::empty({shape.batch, shape.tokens, packed.size(2) / 3}, packed.options()),
                               at::empty({2, shape.batch, heads, shape.tokens}, packed.options().dtype(at::kFloat))};
  if (is_half(packed)) {
    kernels::attention(kernels::AttentionPass16{data16(packed), data16(out.rows), data(out.sums)}, shape);
    return out;
  }
  const at::Tensor shift = bias ? bias->contiguous() : at::Tensor();
  kernels::attention(kernels::AttentionPass{data(packed), data(shift), data(out.rows), data(out.sums)}, shape);
  return out;
}

AttentionGradients attention_backward(const at::Tensor& packed, const at::Tensor& sums, const at::Tensor& of_rows,
                                      bool wants_bias) {
  const at::Tensor of_packed = at::empty_like(packed);
  const at::Tensor of_bias = wants_bias ? at::empty({packed.size(0), packed.size(2)}, sums.options()) : at::Tensor();
  const kernels::AttentionShape shape = shape_of(packed, sums.size(2));
  {
    RECORD_FUNCTION("cairn::self_attention_backward", std::vector<c10::IValue>({packed}));
    if (is_half(packed)) {
      kernels::attention_backward(
          kernels::AttentionGradient16{data16(packed), data(sums), data16(of_rows), data16(of_packed), data(of_bias)},
          shape);
    } else {
      kernels::attention_backward(
          kernels::AttentionGradient{data(packed), data(sums), data(of_rows), data(of_packed), data(of_bias)}, shape);
    }
  }
  return {of_packed, wants_bias ? of_bias.sum(0) : at::Tensor()};
}

}  // namespace cairn::nn
