#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "cairn/export.h"

namespace cairn {

/// How scores become probabilities: of one class among all, or of each class by itself.
enum class Link : std::uint8_t { softmax, sigmoid };

/// When and how a logistic fit ends.
struct LogisticOptions {
  Link link = Link::softmax;
  std::int64_t max_iterations = 150;
  double gradient_tolerance = 1e-5;  // of the largest entry
  double least_progress = 1e-9;      // of the loss in one iteration
  /// Whether the first guess of the Hessian comes from the second moments of the features, so that correlated features
  /// cost few iterations. Without, the iterates are those of scipy's L-BFGS-B, and so of scikit-learn.
  bool precondition = true;
};

/// A logistic regression: scores are x * weight + bias.
struct CAIRN_API LogisticFit {
  at::Tensor weight;  // [D,C]
  at::Tensor bias;    // [C]
  double loss = 0.0;  // of the objective
  std::int64_t iterations = 0;

  /// [M,C] of rows [M,D].
  at::Tensor scores(const at::Tensor& x) const;
};

/// Logistic regressions on the same rows with different penalties: what they share is computed once.
class CAIRN_API LogisticRegression {
 public:
  /// Rows x [N,D] and labels int64 [N] in 0 .. classes-1 with softmax, float [N,classes] of 0 and 1 with sigmoid.
  LogisticRegression(const at::Tensor& x, const at::Tensor& y, std::int64_t classes,
                     const LogisticOptions& options = {});

  /// Minimises mean cross-entropy + ||weight||^2 / (2 c n) by full-batch L-BFGS (Nocedal & Wright, algorithm 7.5), from
  /// `start` or zero. The cross-entropy of sigmoids is their sum over the classes. A trial step costs no product with
  /// the features: scores are linear along a line. Where rows are far fewer than their values, all but the last product
  /// is with coordinates in the space they span.
  LogisticFit fit(double c, const LogisticFit* start = nullptr) const;

 private:
  class RowSpan;

  at::Tensor x_, y_;
  std::int64_t classes_;
  LogisticOptions options_;
  std::shared_ptr<const RowSpan> span_;  // where there are few rows
  at::Tensor moments_;                   // float64 [D+1,D+1], with a preconditioner
};

/// One such fit.
CAIRN_API LogisticFit fit_logistic(const at::Tensor& x, const at::Tensor& y, std::int64_t classes, double c,
                                   const LogisticOptions& options = {}, const LogisticFit* start = nullptr);

}  // namespace cairn
