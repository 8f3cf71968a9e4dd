#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "cairn/plan.h"
#include "kernels/device_graph.h"
#include "model/engine.h"

namespace cairn {

/// Forward and backward passes recorded once for each set of shapes and replayed, so that the device need not wait for
/// thousands of launches. Batches of a new shape are computed plainly at first, and for good when there are too many
/// shapes.
class CAIRN_API StepGraphs {
 public:
  /// Computes a batch: must do the same for all batches of equal shapes, and may be called after the call it was given
  /// to.
  using Work = std::function<Pass(const Batch&, const Plan&)>;

  explicit StepGraphs(at::Device device) : device_(device) {}

  /// `work` of this batch. The next call may write over the tensors of a pass.
  Pass run(const Batch& batch, const Plan& plan, const Work& work);
  /// Sets of shapes that are recorded.
  std::int64_t size() const;

 private:
  struct Recorded {
    int seen = 0;
    Batch batch;
    Plan plan;
    Pass pass;
    std::unique_ptr<kernels::DeviceGraph> graph;
  };

  void record(Recorded& recorded, const Batch& batch, const Plan& plan, const Work& work) const;

  at::Device device_;
  std::map<std::string, Recorded> recorded_;
};

}  // namespace cairn
