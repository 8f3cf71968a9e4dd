#include "model/named_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cairn/error.h"

namespace cairn {
namespace {

// More names than this of one kind are counted, not listed.
constexpr std::size_t kListed = 20;

std::string listing(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string text = fmt::format("\n  {} ({}):", title, names.size());
  for (std::size_t i = 0; i < names.size() && i < kListed; ++i) text += "\n    " + names[i];
  if (names.size() > kListed) text += fmt::format("\n    … and {} more", names.size() - kListed);
  return text;
}

}  // namespace

NamedTensors named_state(const NamedModules& modules) {
  NamedTensors state;
  for (const auto& [prefix, module] : modules) {
    const std::string start = prefix.empty() ? "" : prefix + ".";
    for (const auto& item : module->named_parameters()) state.emplace(start + item.key(), item.value());
    for (const auto& item : module->named_buffers()) state.emplace(start + item.key(), item.value());
  }
  return state;
}

NamedTensors below(const NamedTensors& state, const std::string& head) {
  NamedTensors found;
  for (auto it = state.lower_bound(head); it != state.end() && it->first.starts_with(head); ++it)
    found.emplace(it->first.substr(head.size()), it->second);
  return found;
}

void load_named_state(const NamedTensors& state, const NamedTensors& source, const std::string& what) {
  std::vector<std::string> missing, unexpected, misshapen;
  for (const auto& [name, tensor] : state) {
    const auto found = source.find(name);
    if (found == source.end()) {
      missing.push_back(name);
    } else if (found->second.sizes() != tensor.sizes()) {
      misshapen.push_back(fmt::format("{}: has [{}], this model has [{}]", name,
                                      fmt::join(found->second.sizes().vec(), ","),
                                      fmt::join(tensor.sizes().vec(), ",")));
    }
  }
  for (const auto& [name, tensor] : source)
    if (!state.contains(name)) unexpected.push_back(name);
  if (!missing.empty() || !unexpected.empty() || !misshapen.empty())
    throw Error("the checkpoint is of another model:" + listing("missing", missing) +
                    listing("unexpected", unexpected) + listing("of another shape", misshapen) + "\n ",
                what, "resume with the experiment that wrote it, or train into another run folder");
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state) at::Tensor(tensor).copy_(source.at(name));
}

}  // namespace cairn
