#include "kernels/device_graph.h"

#include <utility>

#include "kernels/cuda_half.h"

namespace cairn::kernels {

DeviceGraph::DeviceGraph(c10::Device device, std::function<void()> work) {
  if (device.is_cpu()) {
    work_ = std::move(work);
  } else {
    recorded_ = record_on_cuda(work);
  }
}

DeviceGraph::~DeviceGraph() = default;

void DeviceGraph::replay() { recorded_ ? recorded_->replay() : work_(); }

}  // namespace cairn::kernels
