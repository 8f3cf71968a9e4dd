#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cairn/export.h"
#include "config/settings.h"

namespace torch::nn {
class Module;
}

namespace cairn {

/// The number of the first rule that matches a parameter's name, -1 if none does.
CAIRN_API int rule_of(const std::vector<OptimRule>& rules, const std::string& name);

/// Takes the parameters that are never updated out of training. ConfigError for a pattern that matches no parameter.
CAIRN_API void apply_rules(const std::vector<OptimRule>& rules,
                           const std::vector<std::pair<std::string, std::shared_ptr<torch::nn::Module>>>& modules);

}  // namespace cairn
