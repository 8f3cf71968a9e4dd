#include "model/flat_parameters.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <tuple>

namespace cairn {
namespace {

constexpr std::int64_t kAlignment = 16;  // float32 values in 64 bytes

std::int64_t padded(std::int64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

/// Order of a parameter in memory: shared before own; in each by rule; in each decayed, undecayed, frozen.
std::tuple<bool, int, int> rank(const FlatItem& item) {
  const int kind = !item.trained ? 2 : item.parameter.dim() > 1 ? 0 : 1;
  return {!item.shared, item.rule, kind};
}

}  // namespace

FlatParameters::FlatParameters(std::vector<FlatItem> items, at::Device device, bool with_gradients) {
  std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return rank(a) < rank(b); });
  std::int64_t total = 0;
  for (const FlatItem& item : items) total += padded(item.parameter.numel());
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  values_ = at::zeros({total}, options);
  if (with_gradients) gradients_ = at::zeros({total}, options);

  const at::NoGradGuard no_grad;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto [own, rule, kind] = rank(items[i]);
    if (i == 0 || rank(items[i - 1]) != rank(items[i])) groups_.push_back({offset, offset, kind == 0, kind == 2, rule});
    place(items[i], offset);
    groups_.back().end = offset;
    if (!own) shared_size_ = offset;
  }
}

void FlatParameters::place(FlatItem& item, std::int64_t& offset) {
  at::Tensor& parameter = item.parameter;
  const std::int64_t size = parameter.numel();
  const at::Tensor view = values_.narrow(0, offset, size).view(parameter.sizes());
  view.copy_(parameter);
  parameter.set_data(view);
  if (gradients_.defined() && item.trained)
    parameter.mutable_grad() = gradients_.narrow(0, offset, size).view(parameter.sizes());
  segments_.push_back({item.name, offset, size});
  offset += padded(size);
}

void FlatParameters::cast_half() {
  if (!half_.defined()) half_ = at::empty_like(values_, at::kBFloat16);
  cast_half(0, values_.numel());
}

void FlatParameters::cast_half(std::int64_t begin, std::int64_t end) {
  if (half_.defined()) half_.narrow(0, begin, end - begin).copy_(values_.narrow(0, begin, end - begin));
}

void FlatParameters::cast_half(std::string_view prefix) {
  for (const Segment& segment : segments_)
    if (segment.name.starts_with(prefix)) cast_half(segment.offset, segment.offset + segment.size);
}

std::int64_t FlatParameters::parameter_count() const {
  std::int64_t count = 0;
  for (const Segment& segment : segments_) count += segment.size;
  return count;
}

}  // namespace cairn
