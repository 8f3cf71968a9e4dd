#include "evaluate/task.h"

#include <ATen/ATen.h>

#include <numeric>

#include "evaluate/metrics.h"

namespace cairn {

at::Tensor head_loss(Task task, const at::Tensor& scores, const at::Tensor& labels) {
  if (task == Task::classes) return at::cross_entropy_loss(scores, labels);
  if (task == Task::values) return at::mse_loss(scores, labels);
  return at::binary_cross_entropy_with_logits(scores, labels);
}

at::Tensor answers_of(Task task, const at::Tensor& scores) {
  if (task == Task::classes) return at::softmax(scores, 1);
  return task == Task::values ? scores : at::sigmoid(scores);
}

double quality(Task task, const at::Tensor& answers, const at::Tensor& labels) {
  if (task == Task::classes) return accuracy(answers.argmax(1), labels);
  if (task != Task::values) return mean_average_precision(answers, labels);
  const std::vector<double> shares = explained_variance(answers, labels);
  return std::accumulate(shares.begin(), shares.end(), 0.0) / static_cast<double>(shares.size());
}

const char* quality_name(Task task) {
  if (task == Task::classes) return "accuracy";
  if (task == Task::boxes) return "frame_mAP";
  return task == Task::multi_label ? "mAP" : "R2";
}

}  // namespace cairn
