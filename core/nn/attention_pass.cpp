#include "nn/attention_pass.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <vector>

#include "kernels/attention.h"
#include "kernels/half_attention.h"
#include "nn/cpu_product.h"
#include "nn/row_type.h"

namespace cairn::nn {
namespace {

kernels::AttentionShape shape_of(const at::Tensor& packed, std::int64_t heads, std::span<const std::int64_t> starts) {
  const std::int64_t head_width = packed.size(2) / 3 / heads;
  if (starts.empty()) return {packed.size(0), packed.size(1), heads, head_width};
  std::int64_t longest = 0;
  for (std::size_t row = 1; row < starts.size(); ++row) longest = std::max(longest, starts[row] - starts[row - 1]);
  return {static_cast<std::int64_t>(starts.size()) - 1, longest, heads, head_width, starts.data()};
}

/// Pairs of tokens that attend to each other: what a profile counts operations by.
std::int64_t pairs_of(const kernels::AttentionShape& shape) {
  std::int64_t pairs = 0;
  for (std::int64_t sample = 0; sample < shape.batch; ++sample) {
    const std::int64_t tokens = shape.start(sample + 1) - shape.start(sample);
    pairs += tokens * tokens;
  }
  return pairs;
}

/// Whether attention of bfloat16 multiplies in it, or by way of float32.
bool has_half_products(const kernels::AttentionShape& shape) {
  return has_fast_bfloat16() && kernels::has_half_attention(shape);
}

void attend_backward(const kernels::AttentionGradient<float>& all, const kernels::AttentionShape& shape) {
  kernels::attention_backward(all, shape);
}

void attend_backward(const kernels::AttentionGradient<std::uint16_t>& all, const kernels::AttentionShape& shape) {
  has_half_products(shape) ? kernels::half_attention_backward(all, shape) : kernels::attention_backward(all, shape);
}

}  // namespace

AttentionOutput attention_pass(const at::Tensor& packed, std::int64_t heads, const MaybeTensor& bias,
                               std::span<const std::int64_t> starts) {
  const kernels::AttentionShape shape = shape_of(packed, heads, starts);
  RECORD_FUNCTION("cairn::self_attention", std::vector<c10::IValue>({packed, pairs_of(shape)}));
  const std::int64_t batch = packed.size(0), tokens = packed.size(1);
  const AttentionOutput out = {at::empty({batch, tokens, packed.size(2) / 3}, packed.options()),
                               at::empty({2, batch, heads, tokens}, packed.options().dtype(at::kFloat))};
  if (is_half(packed)) {
    using Bits = std::uint16_t;
    const kernels::AttentionPass<Bits> all = {data_of<Bits>(packed), data_of<Bits>(out.rows), data_of(out.sums)};
    has_half_products(shape) ? kernels::half_attention(all, shape) : kernels::attention(all, shape);
    return out;
  }
  const at::Tensor shift = bias ? bias->contiguous() : at::Tensor();
  kernels::attention({data_of(packed), data_of(out.rows), data_of(out.sums)}, data_of(shift), shape);
  return out;
}

AttentionGradients attention_backward(const at::Tensor& packed, const at::Tensor& sums, const at::Tensor& of_rows,
                                      bool wants_bias, std::span<const std::int64_t> starts) {
  const kernels::AttentionShape shape = shape_of(packed, sums.size(2), starts);
  const at::Tensor of_packed = at::empty_like(packed);
  const at::Tensor of_bias = wants_bias ? at::empty({shape.batch, packed.size(2)}, sums.options()) : at::Tensor();
  {
    RECORD_FUNCTION("cairn::self_attention_backward", std::vector<c10::IValue>({packed, pairs_of(shape)}));
    in_type_of(packed, [&]<class T>(T) {
      const kernels::AttentionGradient<T> all = {data_of<T>(packed), data_of(sums), data_of<T>(of_rows),
                                                 data_of<T>(of_packed), data_of(of_bias)};
      attend_backward(all, shape);
    });
  }
  return {of_packed, wants_bias ? of_bias.sum(0) : at::Tensor()};
}

}  // namespace cairn::nn
