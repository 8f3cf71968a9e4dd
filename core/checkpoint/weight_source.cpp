#include "checkpoint/weight_source.h"

#include <ATen/ATen.h>

#include "cairn/error.h"
#include "checkpoint/published.h"

namespace cairn {

std::optional<at::Tensor> WeightSource::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? std::nullopt : std::optional(found->second);
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

void WeightSource::move(const std::string& from, TensorMap& network, const std::string& to) {
  if (const auto tensor = take(from)) network[to] = *tensor;
}

void WeightSource::move_affine(const std::string& from, TensorMap& network, const std::string& to, bool has_bias) {
  move(from + ".weight", network, to + ".weight");
  if (has_bias) move(from + ".bias", network, to + ".bias");
}

void WeightSource::move_stacked(const std::vector<std::string>& from, TensorMap& network, const std::string& to) {
  std::vector<at::Tensor> parts;
  for (const std::string& name : from)
    if (const auto tensor = take(name)) parts.push_back(*tensor);
  if (parts.size() != from.size()) return;
  for (const at::Tensor& part : parts)
    if (part.dim() == 0 || part.sizes().slice(1) != parts.front().sizes().slice(1))
      return complaints_.push_back("of shapes that do not fit together: " + from.front() + " and its neighbours");
  network[to] = at::cat(parts);
}

void WeightSource::move_tokenizer(const std::string& from, TensorMap& network) {
  if (const auto kernel = take(from + ".weight"))
    network["patch_embed.weight"] = kernel->dim() > 1 ? kernel->flatten(1) : *kernel;
  move(from + ".bias", network, "patch_embed.bias");
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
