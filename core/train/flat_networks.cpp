#include "train/flat_networks.h"

#include <string>
#include <utility>

#include "model/parameter_rules.h"

namespace cairn {

std::unique_ptr<FlatParameters> flatten_student(const Composition& parts, const std::vector<OptimRule>& rules,
                                                at::Device device) {
  std::vector<FlatItem> items;
  for (const auto& [prefix, module] : parts.student_modules()) {
    module->to(device);
    const std::string start = prefix.empty() ? "" : prefix + ".";
    for (const auto& item : module->named_parameters())
      items.push_back({start + item.key(), item.value(), module == parts.student, item.value().requires_grad(),
                       rule_of(rules, start + item.key())});
  }
  return std::make_unique<FlatParameters>(std::move(items), device, /*with_gradients=*/true);
}

std::unique_ptr<FlatParameters> flatten_teacher(const Composition& parts, const std::vector<OptimRule>& rules,
                                                at::Device device) {
  if (!parts.teacher) return nullptr;
  parts.teacher->to(device);
  const auto student = parts.student->named_parameters();
  std::vector<FlatItem> items;
  for (const auto& item : parts.teacher->named_parameters())
    items.push_back({item.key(), item.value(), true, student[item.key()].requires_grad(), rule_of(rules, item.key())});
  return std::make_unique<FlatParameters>(std::move(items), device, /*with_gradients=*/false);
}

}  // namespace cairn
