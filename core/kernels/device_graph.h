#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

#include "cairn/export.h"

namespace cairn::kernels {

class RecordedWork;

/// Work that is recorded once and repeated in one launch: a CUDA graph. A CPU has none: there the work is called.
class CAIRN_API DeviceGraph {
 public:
  /// Records on the current stream of `device`, which must not be the default one. The work may read nothing back from
  /// the device; its random numbers are those of the generator's state when replayed. What it throws comes through.
  DeviceGraph(c10::Device device, std::function<void()> work);
  ~DeviceGraph();
  DeviceGraph(const DeviceGraph&) = delete;
  DeviceGraph& operator=(const DeviceGraph&) = delete;

  void replay();

 private:
  std::function<void()> work_;  // of a CPU
  std::unique_ptr<RecordedWork> recorded_;
};

}  // namespace cairn::kernels
