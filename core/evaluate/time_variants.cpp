#include "evaluate/time_variants.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/error.h"

namespace cairn {

TimeVariants::TimeVariants(const std::string& kind, const Modality& modality)
    : is_arrow_(kind == "arrow"), modality_(modality) {
  if (!is_kind(kind)) throw Error("'" + kind + "' is not \"arrow\" or \"speed\"", "");
  const auto axes = modality.tokenizer().axes;
  const auto found = std::find(axes.begin(), axes.end(), Axis::time);
  if (found == axes.end())
    throw Error(fmt::format("--labels {} needs data with a time axis", kind), "", "probe a network of video or audio");
  axis_ = 2 + (found - axes.begin());
}

std::vector<std::string> TimeVariants::names() const {
  return is_arrow_ ? std::vector<std::string>{"reversed", "forward"} : std::vector<std::string>{"usual", "double"};
}

View TimeVariants::variant(const View& view, std::int64_t label) const {
  View out = view;
  if (is_arrow_) {
    if (label == 0) out.data = view.data.flip(axis_);
    return out;
  }
  const std::int64_t length = view.data.size(axis_);
  out.data =
      label == 0 ? view.data.narrow(axis_, length / 4, length / 2) : view.data.slice(axis_, 0, length / 2 * 2, 2);
  out.grid = modality_.tokenizer().grid(out.data.sizes().slice(2).vec());
  return out;
}

Features TimeVariants::collect(SampleReader& reader, const Embed& embed, at::Device device,
                               std::int64_t workers) const {
  const at::NoGradGuard no_grad;
  Features out;
  std::vector<at::Tensor> rows, labels;
  out.unreadable = reader.visit(device, workers, [&](const Batch& batch, std::span<const std::int64_t> index) {
    for (const std::int64_t label : {1, 0}) {
      rows.push_back(embed(variant(batch.views.front(), label)).to(at::kCPU, at::kFloat));
      labels.push_back(at::full({batch.size()}, label, at::kLong));
      out.index.insert(out.index.end(), index.begin(), index.end());
    }
  });
  if (rows.empty()) return out;
  out.x = at::cat(rows);
  out.y = at::cat(labels);
  return out;
}

}  // namespace cairn
