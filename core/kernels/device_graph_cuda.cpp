#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include <utility>

#include "kernels/device_graph.h"

namespace cairn::kernels {
namespace {

/// Where all graphs keep what their work allocates: they are replayed one after the other.
at::cuda::MempoolId_t shared_pool() {
  static const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
  return pool;
}

}  // namespace

struct DeviceGraph::Recorded {
  at::cuda::CUDAGraph graph;
};

DeviceGraph::DeviceGraph(c10::Device device, std::function<void()> work) {
  if (device.is_cpu()) {
    work_ = std::move(work);
    return;
  }
  recorded_ = std::make_unique<Recorded>();
  c10::cuda::CUDACachingAllocator::emptyCache();  // a graph's memory is its own: what plain passes left would lie idle
  // The loader's threads go on allocating pinned memory meanwhile.
  recorded_->graph.capture_begin(shared_pool(), cudaStreamCaptureModeThreadLocal);
  try {
    work();
  } catch (...) {
    try {
      recorded_->graph.capture_end();
    } catch (const c10::Error&) {  // says only that the work broke the recording
    }
    throw;
  }
  recorded_->graph.capture_end();
}

DeviceGraph::~DeviceGraph() = default;

void DeviceGraph::replay() { recorded_ ? recorded_->graph.replay() : work_(); }

}  // namespace cairn::kernels
