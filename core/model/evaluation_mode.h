#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "model/composition.h"

namespace cairn {

/// Evaluation mode for a module, or for all that a student consists of, as long as this lives; they must outlive it.
class EvaluationMode {
 public:
  explicit EvaluationMode(torch::nn::Module& module) { enter(module); }
  explicit EvaluationMode(const Composition& parts) {
    for (const auto& [name, module] : parts.student_modules()) enter(*module);
  }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;
  ~EvaluationMode() {
    for (const auto& [module, was_training] : modules_) module->train(was_training);
  }

 private:
  void enter(torch::nn::Module& module) {
    modules_.emplace_back(&module, module.is_training());
    module.eval();
  }

  std::vector<std::pair<torch::nn::Module*, bool>> modules_;
};

}  // namespace cairn
