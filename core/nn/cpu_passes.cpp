#include "nn/cpu_passes.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/attention.h"
#include "kernels/gelu_rows.h"
#include "kernels/norm_rows.h"
#include "kernels/split_work.h"
#include "nn/attention_pass.h"
#include "nn/autocast.h"
#include "nn/cpu_product.h"
#include "nn/maybe_tensor.h"
#include "nn/row_type.h"
#include "nn/training_pass.h"

namespace cairn::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// `x` in the precision of what is kept.
at::Tensor kept(const at::Tensor& x) { return is_mixed(x.device()) ? x.to(at::kBFloat16) : x; }

at::Tensor kept_weight(const at::Tensor& weight) { return is_mixed(weight.device()) ? half(weight) : weight; }

at::Tensor rows_of(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}).contiguous(); }

/// `rows` [M,N] in the shape of `x` but for the last axis.
at::Tensor shaped_like(const at::Tensor& x, const at::Tensor& rows) {
  at::DimVector sizes(x.sizes());
  sizes.back() = rows.size(1);
  return rows.view(sizes);
}

/// Whether nobody but the backward pass holds `gradient`, so that it may be written over.
bool is_spare(const at::Tensor& gradient) {
  const bool is_view = gradient.is_view();
  const bool is_held = gradient.use_count() > 1 || (is_view && gradient._base().use_count() > 1);
  return !is_held && gradient.storage().use_count() == (is_view ? 2 : 1) && gradient.is_contiguous();
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

/// GELU of rows by `weight` plus `bias`, and its derivative if that is wanted.
ProductGelu linear_gelu_of(const at::Tensor& rows, const at::Tensor& weight, const at::Tensor& bias, bool wants_slope) {
  if (auto found = cpu_product_gelu(rows, weight, bias, wants_slope)) return *found;
  const at::Tensor inner = cpu_product(rows, weight), out = wants_slope ? at::empty_like(inner) : inner;
  in_type_of(inner, [&]<class T>(T) {
    split_rows(shape_of(inner), [&](std::int64_t, std::int64_t first, const kernels::RowsShape& part) {
      T *x = data_of<T>(inner) + first * part.width, *y = data_of<T>(out) + first * part.width;
      wants_slope ? kernels::gelu_rows(x, y, data_of(bias), part) : kernels::gelu_rows(x, data_of(bias), part);
    });
  });
  return {out, wants_slope ? inner : at::Tensor()};
}

/// Those of the x [..,in] and the weight of a map, its two first arguments, from its output's `rows` [M,out].
variable_list gradients_of(AutogradContext* context, const at::Tensor& rows, const at::Tensor& inputs,
                           const at::Tensor& weight) {
  const auto sizes = context->saved_data["sizes"].toIntVector();
  const bool has_weights = context->needs_input_grad(1);
  return {context->needs_input_grad(0) ? cpu_input_gradient(rows, weight).view(sizes) : at::Tensor(),
          has_weights ? cpu_weight_gradient(own_gradient(context, "of_weight"), rows, inputs) : at::Tensor()};
}

class Linear : public Function<Linear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight) {
    const at::Tensor inputs = rows_of(kept(x)), factors = kept_weight(weight);
    context->save_for_backward({inputs, factors});
    keep_own_gradient(context, "of_weight", weight);
    context->saved_data["sizes"] = x.sizes();
    return shaped_like(x, cpu_product(inputs, factors));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    return gradients_of(context, rows_of(gradients[0]), saved[0], saved[1]);
  }
};

class LinearGelu : public Function<LinearGelu> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    const at::Tensor inputs = rows_of(kept(x)), factors = kept_weight(weight);
    const auto [out, slope] = linear_gelu_of(inputs, factors, bias, /*wants_slope=*/true);
    context->save_for_backward({inputs, factors, slope});
    keep_own_gradient(context, "of_weight", weight);
    keep_own_gradient(context, "of_bias", bias);
    context->saved_data["sizes"] = x.sizes();
    return shaped_like(x, out);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &inputs = saved[0], &weight = saved[1], &slope = saved[2];
    const bool is_in_place = is_spare(gradients[0]);
    const at::Tensor of_out = rows_of(gradients[0]), of_inner = is_in_place ? of_out : at::empty_like(slope);
    const at::Tensor sums = at::zeros({parts_of(slope.size(0)), slope.size(1)}, slope.options().dtype(at::kFloat));
    in_type_of(slope, [&]<class T>(T) {
      split_rows(shape_of(slope), [&](std::int64_t number, std::int64_t first, const kernels::RowsShape& part) {
        const std::int64_t start = first * part.width;
        const kernels::GeluGradient<T> own = {data_of<T>(of_out) + start, data_of<T>(slope) + start,
                                              data_of<T>(of_inner) + start, data_of(sums) + number * part.width};
        kernels::gelu_backward_rows(own, part);
      });
    });
    variable_list all = gradients_of(context, of_inner, inputs, weight);
    all.push_back(added(own_gradient(context, "of_bias"), sums.sum(0)));
    return all;
  }
};

class SelfAttention : public Function<SelfAttention> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const MaybeTensor& bias, std::int64_t heads, const std::vector<std::int64_t>& starts) {
    const at::Tensor inputs = rows_of(kept(x)), factors = kept_weight(weight);
    const bool is_added = is_half(inputs) && bias;  // by the product: the pass does so in float32 alone
    const at::Tensor packed = shaped_like(x, cpu_product(inputs, factors, is_added ? bias : std::nullopt));
    const AttentionOutput out = attention_pass(packed, heads, is_added ? std::nullopt : bias, starts);
    context->save_for_backward({inputs, factors, packed, out.sums});
    keep_own_gradient(context, "of_weight", weight);
    keep_own_gradient(context, "of_bias", bias.value_or(at::Tensor()));
    context->saved_data["sizes"] = x.sizes();
    context->saved_data["has_bias"] = bias.has_value();
    context->saved_data["starts"] = starts;
    return out.rows;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &inputs = saved[0], &weight = saved[1], &packed = saved[2], &sums = saved[3];
    const bool has_bias = context->saved_data["has_bias"].toBool();
    const auto starts = context->saved_data["starts"].toIntVector();
    const AttentionGradients of = attention_backward(packed, sums, gradients[0].contiguous(), has_bias, starts);
    variable_list all = gradients_of(context, of.packed.view({-1, of.packed.size(2)}), inputs, weight);
    all.push_back(has_bias ? added(own_gradient(context, "of_bias"), of.bias) : at::Tensor());
    all.insert(all.end(), 2, at::Tensor());  // of the number of heads, and of the starts
    return all;
  }
};

class AddNorm : public Function<AddNorm> {
 public:
  static variable_list forward(AutogradContext* context, const at::Tensor& stream, const MaybeTensor& branch,
                               const MaybeTensor& shift, const at::Tensor& gamma, const at::Tensor& beta,
                               double epsilon) {
    const at::Tensor x = stream.contiguous(), added = branch ? kept(*branch).contiguous() : at::Tensor();
    const at::Tensor moved = branch && shift ? shift->contiguous() : at::Tensor();
    const at::Tensor sum = branch ? at::empty_like(x) : at::Tensor();
    const at::Tensor normed = at::empty_like(x, is_mixed(x.device()) ? at::kBFloat16 : at::kFloat);
    const kernels::RowsShape shape = {x.numel() / x.size(-1), x.size(-1)};
    const at::Tensor mean = at::empty({shape.rows}, x.options()), inverse = at::empty_like(mean);
    in_type_of(normed, [&]<class T>(T) {
      const kernels::NormRows<T> all = {data_of(x),         data_of<T>(added), data_of(moved),
                                        data_of(gamma),     data_of(beta),     data_of(sum),
                                        data_of<T>(normed), data_of(mean),     data_of(inverse)};
      split_rows(shape, [&](std::int64_t, std::int64_t first, const kernels::RowsShape& part) {
        kernels::norm_rows(from_row(all, first, part.width), part, static_cast<float>(epsilon));
      });
    });
    context->set_materialize_grads(false);
    context->save_for_backward({branch ? sum : x, mean, inverse, gamma});
    keep_own_gradient(context, "of_shift", shift.value_or(at::Tensor()));
    keep_own_gradient(context, "of_gamma", gamma);
    keep_own_gradient(context, "of_beta", beta);
    context->saved_data["has_branch"] = branch.has_value();
    context->saved_data["has_shift"] = moved.defined();
    context->saved_data["is_half"] = is_half(normed);
    if (!branch) return {normed};
    return {normed, sum};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &sum = saved[0], &mean = saved[1], &inverse = saved[2], &gamma = saved[3];
    const bool has_branch = context->saved_data["has_branch"].toBool();
    const auto type = context->saved_data["is_half"].toBool() ? at::kBFloat16 : at::kFloat;
    const at::Tensor of_normed = gradients[0].defined() ? gradients[0].contiguous() : at::zeros_like(sum, type);
    const at::Tensor of_sum = has_branch && gradients[1].defined() ? gradients[1].contiguous() : at::Tensor();
    const at::Tensor of_stream = at::empty_like(sum);
    const bool has_own = has_branch && is_half(of_normed);
    const at::Tensor of_branch = has_own ? at::empty_like(of_normed) : has_branch ? of_stream : at::Tensor();
    const kernels::RowsShape shape = {sum.numel() / sum.size(-1), sum.size(-1)};
    const at::Tensor sums = at::zeros({parts_of(shape.rows), 3, shape.width}, sum.options());
    in_type_of(of_normed, [&]<class T>(T) {
      const kernels::NormRowsGradient<T> all = {
          data_of(sum),          data_of(mean),   data_of(inverse),   data_of(gamma),
          data_of<T>(of_normed), data_of(of_sum), data_of(of_stream), has_own ? data_of<T>(of_branch) : nullptr,
          data_of(sums)};
      split_rows(shape, [&](std::int64_t number, std::int64_t first, const kernels::RowsShape& part) {
        kernels::norm_backward_rows(from_row(all, number, first, part.width), part);
      });
    });
    const variable_list of_norm = sums.sum(0).unbind(0);
    const bool has_shift = context->saved_data["has_shift"].toBool();
    return {of_stream,
            of_branch,
            has_shift ? added(own_gradient(context, "of_shift"), of_norm[2]) : at::Tensor(),
            added(own_gradient(context, "of_gamma"), of_norm[0]),
            added(own_gradient(context, "of_beta"), of_norm[1]),
            at::Tensor()};
  }

 private:
  template <class T>
  static kernels::NormRows<T> from_row(kernels::NormRows<T> pass, std::int64_t row, std::int64_t width) {
    const std::int64_t start = row * width;
    pass.stream += start, pass.normed += start, pass.mean += row, pass.inverse += row;
    if (pass.branch) pass.branch += start, pass.sum += start;
    return pass;
  }
  template <class T>
  static kernels::NormRowsGradient<T> from_row(kernels::NormRowsGradient<T> pass, std::int64_t part, std::int64_t row,
                                               std::int64_t width) {
    const std::int64_t start = row * width;
    pass.sum += start, pass.of_normed += start, pass.of_stream += start;
    pass.mean += row, pass.inverse += row, pass.sums += part * 3 * width;
    if (pass.of_sum) pass.of_sum += start;
    if (pass.of_branch) pass.of_branch += start;
    return pass;
  }
};

}  // namespace

bool has_cpu_passes(const at::Tensor& x) {
  return x.is_cpu() && x.numel() > 0 && (x.scalar_type() == at::kFloat || (is_half(x) && is_mixed(x.device())));
}

at::Tensor cpu_linear_gelu(const at::Tensor& x, const torch::nn::Linear& map) {
  const at::Tensor &weight = map->weight, &bias = map->bias;
  const bool is_learning = x.requires_grad() || weight.requires_grad() || bias.requires_grad();
  if (!at::GradMode::is_enabled() || !is_learning) {
    const at::Tensor rows = rows_of(kept(x));
    return shaped_like(x, linear_gelu_of(rows, kept_weight(weight), bias, /*wants_slope=*/false).out);
  }
  return LinearGelu::apply(x, weight, bias);
}

bool has_cpu_attention(const at::Tensor& x) { return has_cpu_passes(x) && kernels::has_attention(); }

at::Tensor cpu_attention(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, std::int64_t heads,
                         const std::vector<std::int64_t>& starts) {
  return SelfAttention::apply(x, weight, present(bias), heads, starts);
}

at::Tensor cpu_linear(const at::Tensor& x, const at::Tensor& weight) { return Linear::apply(x, weight); }

Normed cpu_add_norm(const at::Tensor& stream, const Branch& branch, const torch::nn::LayerNorm& norm) {
  const variable_list out = AddNorm::apply(stream, present(branch.rows), present(branch.shift), norm->weight,
                                           norm->bias, norm->options.eps());
  return {out.size() > 1 ? out[1] : stream, out[0]};
}

}  // namespace cairn::nn
