#include <utility>

#include "kernels/device_graph.h"
#include "kernels/no_cuda.h"

namespace cairn::kernels {

// In place of device_graph_cuda.cpp where Cairn is built without CUDA.
struct DeviceGraph::Recorded {};

DeviceGraph::DeviceGraph(c10::Device device, std::function<void()> work) : work_(std::move(work)) {
  if (!device.is_cpu()) refuse_without_cuda();
}

DeviceGraph::~DeviceGraph() = default;

void DeviceGraph::replay() { work_(); }

}  // namespace cairn::kernels
