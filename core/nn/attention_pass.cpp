#include "nn/attention_pass.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <vector>

#include "kernels/attention.h"
#include "nn/row_type.h"

namespace cairn::nn {
namespace {

kernels::AttentionShape shape_of(const at::Tensor& packed, std::int64_t heads) {
  return {packed.size(0), packed.size(1), heads, packed.size(2) / 3 / heads};
}

}  // namespace

AttentionOutput attention_pass(const at::Tensor& packed, std::int64_t heads, const MaybeTensor& bias) {
  RECORD_FUNCTION("cairn::self_attention", std::vector<c10::IValue>({packed}));
  const kernels::AttentionShape shape = shape_of(packed, heads);
  const AttentionOutput out = {at::empty({shape.batch, shape.tokens, packed.size(2) / 3}, packed.options()),
                               at::empty({2, shape.batch, heads, shape.tokens}, packed.options().dtype(at::kFloat))};
  if (is_half(packed)) {
    using Bits = std::uint16_t;
    kernels::attention({data_of<Bits>(packed), data_of<Bits>(out.rows), data_of(out.sums)}, shape);
    return out;
  }
  const at::Tensor shift = bias ? bias->contiguous() : at::Tensor();
  kernels::attention({data_of(packed), data_of(out.rows), data_of(out.sums)}, data_of(shift), shape);
  return out;
}

AttentionGradients attention_backward(const at::Tensor& packed, const at::Tensor& sums, const at::Tensor& of_rows,
                                      bool wants_bias) {
  const at::Tensor of_packed = at::empty_like(packed);
  const at::Tensor of_bias = wants_bias ? at::empty({packed.size(0), packed.size(2)}, sums.options()) : at::Tensor();
  const kernels::AttentionShape shape = shape_of(packed, sums.size(2));
  {
    RECORD_FUNCTION("cairn::self_attention_backward", std::vector<c10::IValue>({packed}));
    in_type_of(packed, [&]<class T>(T) {
      const kernels::AttentionGradient<T> all = {data_of<T>(packed), data_of(sums), data_of<T>(of_rows),
                                                 data_of<T>(of_packed), data_of(of_bias)};
      kernels::attention_backward(all, shape);
    });
  }
  return {of_packed, wants_bias ? of_bias.sum(0) : at::Tensor()};
}

}  // namespace cairn::nn
