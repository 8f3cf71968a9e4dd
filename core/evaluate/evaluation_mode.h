#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "model/composition.h"

namespace cairn {

/// Evaluation mode for every module of the student, as long as this lives.
class EvaluationMode {
 public:
  explicit EvaluationMode(const Composition& parts) {
    for (const auto& [name, module] : parts.student_modules()) {
      modules_.emplace_back(module, module->is_training());
      module->eval();
    }
  }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;
  ~EvaluationMode() {
    for (const auto& [module, was_training] : modules_) module->train(was_training);
  }

 private:
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> modules_;
};

}  // namespace cairn
