#include "checkpoint/weight_source.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/error.h"
#include "checkpoint/published.h"

namespace cairn {

bool WeightSource::has_part(const std::string& part) const {
  return std::any_of(tensors_.begin(), tensors_.end(),
                     [&](const auto& entry) { return entry.first.find(part) != std::string::npos; });
}

std::optional<at::Tensor> WeightSource::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? std::nullopt : std::optional(found->second);
}

std::int64_t WeightSource::rows(const std::string& name, std::int64_t fallback) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() || found->second.dim() == 0 ? fallback : found->second.size(0);
}

std::string WeightSource::prefix_before(const std::string& name) const {
  for (const auto& [full, tensor] : tensors_)
    if (full.ends_with("." + name)) return full.substr(0, full.size() - name.size());
  return {};
}

std::optional<at::Tensor> WeightSource::take(const std::string& name) {
  auto node = tensors_.extract(name);
  if (!node.empty()) return node.mapped();
  complaints_.push_back("missing: " + name);
  return std::nullopt;
}

void WeightSource::move(const KeyMap& keys, TensorMap& network) {
  MappedTensors mapped = keys.to_network(tensors_);
  for (const std::string& name : mapped.missing) complaints_.push_back("missing: " + name);
  complaints_.insert(complaints_.end(), mapped.misfits.begin(), mapped.misfits.end());
  for (const std::string& name : mapped.used) {
    const at::Tensor tensor = tensors_.extract(name).mapped();
    if (!tensor.is_floating_point())
      complaints_.push_back(fmt::format("of another type: {} holds {}, wanted are real numbers", name,
                                        c10::toString(tensor.scalar_type())));
  }
  network.merge(mapped.tensors);
}

void WeightSource::rename(const std::string& head, const std::string& other) {
  TensorMap renamed;
  for (auto& [name, tensor] : tensors_)
    renamed[name.starts_with(head) ? other + name.substr(head.size()) : name] = std::move(tensor);
  tensors_.swap(renamed);
}

std::size_t WeightSource::drop(const std::string& head) {
  return std::erase_if(tensors_, [&](const auto& entry) { return entry.first.starts_with(head); });
}

std::vector<std::string> WeightSource::complaints() const {
  std::vector<std::string> all = complaints_;
  for (const auto& [name, tensor] : tensors_) all.push_back("left over: " + name);
  return all;
}

void settle_complaints(PublishedModel& model, const std::vector<std::string>& complaints, bool is_partial,
                       const std::string& where) {
  model.is_partial = is_partial;
  model.gaps.insert(model.gaps.end(), complaints.begin(), complaints.end());
  if (complaints.empty() || is_partial) return;
  std::string list;
  for (const std::string& line : complaints) list += "\n  " + line;
  throw DataError("the weights are not those of this model:" + list, where, "or ask for a partial load");
}

}  // namespace cairn
