#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cairn/export.h"

namespace cairn::kernels {

// LibTorch's libraries for CUDA devices take 350 MiB and a tenth of a second to load, so only where there is a driver
// is it done, and before anyone asks LibTorch for devices: what it answers first it answers ever after.

/// What a CUDA graph of LibTorch does for a DeviceGraph.
class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
  virtual void replay() = 0;
};

/// Records `work` on the current stream, which must not be the default one. Throws where LibTorch's CUDA half is not
/// loaded.
std::unique_ptr<RecordedWork> record_on_cuda(const std::function<void()>& work);

/// Whether LibTorch's CUDA half is loaded.
CAIRN_API bool has_cuda_half();

/// Why it is not where there is a driver; empty without one.
CAIRN_API const std::string& cuda_trouble();

}  // namespace cairn::kernels
