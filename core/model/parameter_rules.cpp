#include "model/parameter_rules.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <torch/nn/module.h>

#include <algorithm>

#include "cairn/error.h"

namespace cairn {
namespace {

bool matches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

}  // namespace

int rule_of(const std::vector<OptimRule>& rules, const std::string& name) {
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (const std::string& pattern : rules[i].match)
      if (matches(pattern, name)) return static_cast<int>(i);
  return -1;
}

void apply_rules(const std::vector<OptimRule>& rules,
                 const std::vector<std::pair<std::string, std::shared_ptr<torch::nn::Module>>>& modules) {
  std::vector<std::string> names;
  for (const auto& [prefix, module] : modules)
    for (auto& item : module->named_parameters()) {
      names.push_back(prefix.empty() ? item.key() : prefix + "." + item.key());
      const int rule = rule_of(rules, names.back());
      if (rule >= 0 && rules[static_cast<std::size_t>(rule)].freeze_steps < 0) item.value().set_requires_grad(false);
    }
  for (std::size_t i = 0; i < rules.size(); ++i)
    for (const std::string& pattern : rules[i].match)
      if (std::none_of(names.begin(), names.end(), [&](const std::string& name) { return matches(pattern, name); }))
        throw ConfigError(fmt::format("optim.rule[{}].match", i), fmt::format("'{}' is no parameter's name", pattern),
                          fmt::format("names look like '{}'; * stands for any text", names.front()));
}

}  // namespace cairn
