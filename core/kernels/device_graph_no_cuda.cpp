#include <utility>

#include "cairn/error.h"
#include "kernels/device_graph.h"

namespace cairn::kernels {

// In place of device_graph_cuda.cpp where Cairn is built without CUDA.
struct DeviceGraph::Recorded {};

DeviceGraph::DeviceGraph(c10::Device device, std::function<void()> work) : work_(std::move(work)) {
  if (!device.is_cpu())
    throw Error("this Cairn is built without CUDA", "", "build it where a CUDA toolkit is, with -DCAIRN_CUDA=ON");
}

DeviceGraph::~DeviceGraph() = default;

void DeviceGraph::replay() { work_(); }

}  // namespace cairn::kernels
