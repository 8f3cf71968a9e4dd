#include "train/divergence.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <numeric>

namespace cairn {
namespace {

struct Named {
  std::string name;
  at::Tensor parameter;
};

bool is_finite(const at::Tensor& x) {
  return !x.defined() || !x.is_floating_point() || at::isfinite(x).all().item<bool>();
}

/// Every parameter in the order of the forward pass.
std::vector<Named> parameters(const Composition& parts) {
  std::vector<Named> all;
  for (const auto& [prefix, module] : parts.student_modules())
    for (const auto& item : module->named_parameters())
      all.push_back({prefix.empty() ? item.key() : prefix + "." + item.key(), item.value()});
  return all;
}

/// The parameter of largest magnitude whose name begins with `start`.
std::string largest_parameter(const Composition& parts, const std::string& start) {
  std::string name;
  double most = -1.0;
  for (const Named& each : parameters(parts)) {
    if (!each.name.starts_with(start)) continue;
    const double size = each.parameter.abs().max().item<double>();
    if (size <= most) continue;
    most = size;
    name = each.name;
  }
  return name.empty() ? "" : fmt::format("; its largest parameter is {} at {:.2g}", name, most);
}

/// The first block of the student whose output is not finite for a context; nothing where only the end is not.
std::string bad_block(const Composition& parts, const View& view, const Context& context) {
  std::vector<std::int64_t> taps(static_cast<std::size_t>(parts.student->encoder().depth()));
  std::iota(taps.begin(), taps.end(), 0);
  const Encoded encoded = parts.student->encoder().encode(view, {context.visible, context.masked, taps});
  for (std::size_t i = 0; i < encoded.taps.size(); ++i)
    if (!is_finite(encoded.taps[i])) return fmt::format("block {} of ", i);
  return "";
}

std::string bad_gradient(const Composition& parts) {
  std::vector<Named> all = parameters(parts);
  // Backward runs from the loss to the input: the last of the forward order went wrong first.
  for (auto each = all.rbegin(); each != all.rend(); ++each)
    if (!is_finite(each->parameter.grad())) return "the gradient of " + each->name;
  return "";
}

}  // namespace

std::string first_non_finite(const Composition& parts, const Batch& batch, const Plan& plan, const Pass& pass) {
  const at::NoGradGuard no_grad;
  for (const Named& each : parameters(parts))
    if (!is_finite(each.parameter)) return "the parameter " + each.name;
  for (std::size_t v = 0; v < batch.views.size(); ++v)
    if (!is_finite(batch.views[v].data)) return fmt::format("view {} of the input ({})", v, parts.modality_type);
  for (std::size_t c = 0; c < pass.contexts.size(); ++c) {
    const Context& context = plan.contexts[c];
    if (is_finite(pass.contexts[c].tokens) && is_finite(pass.contexts[c].pooled)) continue;
    const std::string block = bad_block(parts, batch.views[static_cast<std::size_t>(context.view)], context);
    return fmt::format("the output of {}the encoder ({}){}", block, parts.encoder_type,
                       largest_parameter(parts, "encoder."));
  }
  for (const std::vector<Pair>& pairs : pass.pairs)
    for (const Pair& pair : pairs) {
      if (!is_finite(pair.target)) return "the target";
      if (!is_finite(pair.prediction))
        return fmt::format("the output of the predictor ({}){}", parts.predictor_type,
                           largest_parameter(parts, "predictor."));
    }
  for (const auto& [name, value] : pass.report.terms)
    if (!is_finite(value)) return "the term " + name + " of the objective";
  if (!is_finite(pass.report.total)) return "the objective";
  return bad_gradient(parts);
}

}  // namespace cairn
