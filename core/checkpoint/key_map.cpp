#include "checkpoint/key_map.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <utility>

#include "cairn/error.h"

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

[[noreturn]] void refuse_shape(const std::string& name, const at::Tensor& tensor, const std::string& wanted) {
  throw DataError(fmt::format("'{}' has the shape [{}], {}", name, fmt::join(tensor.sizes(), ", "), wanted));
}

at::Tensor joined_tensor(const std::vector<at::Tensor>& parts, const Names& names) {
  if (parts.size() == 1) return parts.front();
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (parts[i].dim() == 0 || parts[i].sizes().slice(1) != parts.front().sizes().slice(1) ||
        parts[i].dim() != parts.front().dim() || parts[i].scalar_type() != parts.front().scalar_type())
      refuse_shape(names[i], parts[i], "which does not go with '" + names.front() + "'");
  return at::cat(parts);
}

/// The tensors of `to` out of those of `from`.
void apply(const Side& from, const Side& to, const std::vector<at::Tensor>& parts, TensorMap& result) {
  at::Tensor whole = joined_tensor(parts, from.names);
  if (to.names.size() == 1) {
    if (!to.shape.empty() && whole.numel() != volume(to.shape))
      refuse_shape(from.names.front(), whole, fmt::format("and must hold [{}]", fmt::join(to.shape, ", ")));
    result[to.names.front()] = to.shape.empty() ? whole : whole.reshape(to.shape);
    return;
  }
  const auto count = static_cast<std::int64_t>(to.names.size());
  if (whole.dim() == 0 || whole.size(0) % count != 0)
    refuse_shape(from.names.front(), whole, fmt::format("which is not {} equal parts", count));
  const auto pieces = whole.chunk(count);
  for (std::size_t i = 0; i < to.names.size(); ++i) result[to.names[i]] = pieces.at(i);
}

}  // namespace

void KeyMap::same(const std::string& file, const std::string& network) {
  rules_.push_back({{file}, {network}, {}, {}});
}

void KeyMap::affine(const std::string& file, const std::string& network) {
  for (const char* part : {".weight", ".bias"}) same(file + part, network + part);
}

void KeyMap::reshaped(const std::string& file, Shape file_shape, const std::string& network, Shape network_shape) {
  rules_.push_back({{file}, {network}, std::move(file_shape), std::move(network_shape)});
}

void KeyMap::joined(Names file, const std::string& network) { rules_.push_back({std::move(file), {network}, {}, {}}); }

void KeyMap::split(const std::string& file, Names network) { rules_.push_back({{file}, std::move(network), {}, {}}); }

void KeyMap::add(const KeyMap& other) { rules_.insert(rules_.end(), other.rules_.begin(), other.rules_.end()); }

namespace {

template <class Direction>
MappedTensors map_all(const std::vector<KeyRule>& rules, const TensorMap& source, const Direction& sides) {
  MappedTensors mapped;
  std::set<std::string> known;
  for (const KeyRule& rule : rules) {
    const auto [from, to] = sides(rule);
    std::vector<at::Tensor> parts;
    for (const std::string& name : from.names) {
      known.insert(name);
      const auto found = source.find(name);
      if (found != source.end()) parts.push_back(found->second);
      if (found == source.end()) mapped.missing.push_back(name);
    }
    if (parts.size() == from.names.size()) apply(from, to, parts, mapped.tensors);
  }
  for (const auto& [name, tensor] : source)
    if (!known.contains(name)) mapped.left_over.push_back(name);
  return mapped;
}

}  // namespace

MappedTensors KeyMap::to_file(const TensorMap& network) const {
  return map_all(rules_, network, [](const KeyRule& rule) {
    return std::pair(Side{rule.network, rule.network_shape}, Side{rule.file, rule.file_shape});
  });
}

}  // namespace cairn
