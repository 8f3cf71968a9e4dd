#include "checkpoint/key_map.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <set>
#include <utility>

namespace cairn {
namespace {

using Names = std::vector<std::string>;
using Shape = std::vector<std::int64_t>;

/// One side of a rule.
struct Side {
  const Names& names;
  const Shape& shape;
};

std::int64_t volume(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

std::string wrong_shape(const std::string& name, const at::Tensor& tensor, const std::string& wanted) {
  return fmt::format("of another shape: {} [{}], {}", name, fmt::join(tensor.sizes(), ", "), wanted);
}

/// The parts as one tensor; nothing, and a sentence, where they do not go together.
std::optional<at::Tensor> joined_tensor(const std::vector<at::Tensor>& parts, const Names& names, Names& misfits) {
  if (parts.size() == 1) return parts.front();
  const at::Tensor& first = parts.front();
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (parts[i].dim() == 0 || parts[i].dim() != first.dim() || parts[i].sizes().slice(1) != first.sizes().slice(1) ||
        parts[i].scalar_type() != first.scalar_type()) {
      misfits.push_back(wrong_shape(names[i], parts[i], "which does not go with " + names.front()));
      return std::nullopt;
    }
  return at::cat(parts);
}

/// The tensors of `to` out of those of `from`.
void apply(const Side& from, const Side& to, const std::vector<at::Tensor>& parts, MappedTensors& mapped) {
  const auto whole = joined_tensor(parts, from.names, mapped.misfits);
  if (!whole) return;
  const std::string& name = from.names.front();
  if (to.names.size() == 1) {
    if (to.shape.empty()) {
      mapped.tensors[to.names.front()] = *whole;
    } else if (whole->numel() == volume(to.shape)) {
      mapped.tensors[to.names.front()] = whole->reshape(to.shape);
    } else {
      mapped.misfits.push_back(wrong_shape(name, *whole, fmt::format("wanted is [{}]", fmt::join(from.shape, ", "))));
    }
    return;
  }
  const auto count = static_cast<std::int64_t>(to.names.size());
  if (whole->dim() == 0 || whole->size(0) % count != 0) {
    mapped.misfits.push_back(wrong_shape(name, *whole, fmt::format("which is not {} equal parts", count)));
    return;
  }
  const auto pieces = whole->chunk(count);
  for (std::size_t i = 0; i < to.names.size(); ++i) mapped.tensors[to.names[i]] = pieces.at(i);
}

template <class Direction>
MappedTensors map_all(const std::vector<KeyRule>& rules, const TensorMap& source, const Direction& sides) {
  MappedTensors mapped;
  for (const KeyRule& rule : rules) {
    const auto [from, to] = sides(rule);
    std::vector<at::Tensor> parts;
    for (const std::string& name : from.names) {
      const auto found = source.find(name);
      if (found != source.end()) parts.push_back(found->second);
      (found != source.end() ? mapped.used : mapped.missing).push_back(name);
    }
    if (parts.size() == from.names.size()) apply(from, to, parts, mapped);
  }
  return mapped;
}

}  // namespace

void KeyMap::same(const std::string& file, const std::string& network) {
  rules_.push_back({{file}, {network}, {}, {}});
}

void KeyMap::affine(const std::string& file, const std::string& network, bool has_bias) {
  same(file + ".weight", network + ".weight");
  if (has_bias) same(file + ".bias", network + ".bias");
}

void KeyMap::reshaped(const std::string& file, Shape file_shape, const std::string& network, Shape network_shape) {
  rules_.push_back({{file}, {network}, std::move(file_shape), std::move(network_shape)});
}

void KeyMap::joined(Names file, const std::string& network) { rules_.push_back({std::move(file), {network}, {}, {}}); }

void KeyMap::split(const std::string& file, Names network) { rules_.push_back({{file}, std::move(network), {}, {}}); }

void KeyMap::tokenizer(const std::string& file, const TokenizerSpec& spec, std::int64_t width,
                       const std::string& network) {
  Shape kernel = {width, spec.channels};
  kernel.insert(kernel.end(), spec.patch.begin(), spec.patch.end());
  reshaped(file + ".weight", std::move(kernel), network + ".weight", {width, spec.values()});
  same(file + ".bias", network + ".bias");
}

MappedTensors KeyMap::to_file(const TensorMap& network) const {
  return map_all(rules_, network, [](const KeyRule& rule) {
    return std::pair(Side{rule.network, rule.network_shape}, Side{rule.file, rule.file_shape});
  });
}

MappedTensors KeyMap::to_network(const TensorMap& file) const {
  return map_all(rules_, file, [](const KeyRule& rule) {
    return std::pair(Side{rule.file, rule.file_shape}, Side{rule.network, rule.network_shape});
  });
}

std::vector<std::string> left_over(const TensorMap& tensors, const MappedTensors& mapped) {
  const std::set<std::string> used(mapped.used.begin(), mapped.used.end());
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors)
    if (!used.contains(name)) names.push_back(name);
  return names;
}

}  // namespace cairn
