#include "nn/cpu_passes.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/attention.h"
#include "kernels/gelu_rows.h"
#include "kernels/split_work.h"
#include "nn/autocast.h"

namespace cairn::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}).contiguous(); }

/// `rows` [M,N] in the shape of `x` but for the last axis.
at::Tensor shaped_like(const at::Tensor& x, const at::Tensor& rows) {
  at::DimVector sizes(x.sizes());
  sizes.back() = rows.size(1);
  return rows.view(sizes);
}

/// Calls work(part, first, shape) on several threads for parts of rows [M,N], as many whatever the number of threads,
/// so that sums over a part do not depend on it.
constexpr std::int64_t kPart = 128;

std::int64_t parts_of(std::int64_t rows) { return (rows + kPart - 1) / kPart; }

template <class Work>
void split_rows(const kernels::RowsShape& shape, Work&& work) {
  kernels::split_work(parts_of(shape.rows), /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part)
      work(part, part * kPart, kernels::RowsShape{std::min(kPart, shape.rows - part * kPart), shape.width});
  });
}

kernels::RowsShape shape_of(const at::Tensor& rows) { return {rows.size(0), rows.size(1)}; }

/// GELU of x by `weight` plus `bias` without a gradient to come.
at::Tensor plain_linear_gelu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const at::Tensor rows = at::mm(rows_of(x), weight.t());
  auto* values = rows.mutable_data_ptr<float>();
  const auto* added = bias.const_data_ptr<float>();
  split_rows(shape_of(rows), [&](std::int64_t, std::int64_t first, const kernels::RowsShape& part) {
    kernels::gelu_rows(values + first * part.width, added, part);
  });
  return shaped_like(x, rows);
}

class LinearGelu : public Function<LinearGelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    const at::Tensor inputs = rows_of(x), slope = at::mm(inputs, weight.t()), out = at::empty_like(slope);
    auto *slopes = slope.mutable_data_ptr<float>(), *values = out.mutable_data_ptr<float>();
    const auto* added = bias.const_data_ptr<float>();
    split_rows(shape_of(slope), [&](std::int64_t, std::int64_t first, const kernels::RowsShape& part) {
      const std::int64_t start = first * part.width;
      kernels::gelu_rows(slopes + start, values + start, added, part);
    });
    context->save_for_backward({inputs, weight, slope});
    context->saved_data["sizes"] = x.sizes();
    return shaped_like(x, out);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list kept = context->get_saved_variables();
    const at::Tensor &inputs = kept[0], &weight = kept[1], &slope = kept[2];
    const at::Tensor of_out = rows_of(gradients[0]), of_inner = at::empty_like(slope);
    const at::Tensor sums = at::zeros({parts_of(slope.size(0)), slope.size(1)}, slope.options());
    auto *to = of_inner.mutable_data_ptr<float>(), *sum = sums.mutable_data_ptr<float>();
    const auto *from = of_out.const_data_ptr<float>(), *slopes = slope.const_data_ptr<float>();
    split_rows(shape_of(slope), [&](std::int64_t number, std::int64_t first, const kernels::RowsShape& part) {
      const std::int64_t start = first * part.width;
      kernels::gelu_backward_rows({from + start, slopes + start, to + start, sum + number * part.width}, part);
    });
    const auto sizes = context->saved_data["sizes"].toIntVector();
    return {context->needs_input_grad(0) ? at::mm(of_inner, weight).view(sizes) : at::Tensor(),
            context->needs_input_grad(1) ? at::mm(of_inner.t(), inputs) : at::Tensor(), sums.sum(0)};
  }
};

kernels::AttentionShape attention_shape(const at::Tensor& packed, std::int64_t heads) {
  return {packed.size(0), packed.size(1), heads, packed.size(2) / 3 / heads};
}

class SelfAttention : public Function<SelfAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv, std::int64_t heads) {
    RECORD_FUNCTION("cairn::self_attention", std::vector<c10::IValue>({qkv}));
    const at::Tensor packed = qkv.contiguous();
    const kernels::AttentionShape shape = attention_shape(packed, heads);
    at::Tensor out = at::empty({shape.batch, shape.tokens, packed.size(2) / 3}, packed.options());
    at::Tensor sums = at::empty({2, shape.batch, heads, shape.tokens}, packed.options());
    kernels::attention(packed.const_data_ptr<float>(), out.mutable_data_ptr<float>(), sums.mutable_data_ptr<float>(),
                       shape);
    context->save_for_backward({packed, sums});
    context->saved_data["heads"] = heads;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list kept = context->get_saved_variables();
    RECORD_FUNCTION("cairn::self_attention_backward", std::vector<c10::IValue>({kept[0]}));
    const at::Tensor of_out = gradients[0].contiguous();
    at::Tensor of_packed = at::empty_like(kept[0]);
    kernels::attention_backward({kept[0].const_data_ptr<float>(), kept[1].const_data_ptr<float>(),
                                 of_out.const_data_ptr<float>(), of_packed.mutable_data_ptr<float>()},
                                attention_shape(kept[0], context->saved_data["heads"].toInt()));
    return {of_packed, at::Tensor()};
  }
};

}  // namespace

bool has_cpu_passes(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.numel() > 0 && !is_mixed(x.device());
}

at::Tensor cpu_linear_gelu(const at::Tensor& x, const torch::nn::Linear& map) {
  const at::Tensor &weight = map->weight, &bias = map->bias;
  const bool is_learning = x.requires_grad() || weight.requires_grad() || bias.requires_grad();
  if (!at::GradMode::is_enabled() || !is_learning) return plain_linear_gelu(x, weight, bias);
  return LinearGelu::apply(x, weight, bias);
}

bool has_cpu_attention(const at::Tensor& packed) { return has_cpu_passes(packed) && kernels::has_attention(); }

at::Tensor cpu_attention(const at::Tensor& packed, std::int64_t heads) { return SelfAttention::apply(packed, heads); }

}  // namespace cairn::nn
