#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>

#include "kernels/cuda_half.h"

namespace cairn::kernels {
namespace {

/// Where all graphs keep what their work allocates: they are replayed one after the other.
at::cuda::MempoolId_t shared_pool() {
  static const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
  return pool;
}

class CudaGraph : public RecordedWork {
 public:
  explicit CudaGraph(const std::function<void()>& work) {
    c10::cuda::CUDACachingAllocator::emptyCache();  // a graph's memory is its own: what plain passes left would lie
                                                    // idle
    // The loader's threads go on allocating pinned memory meanwhile.
    graph_.capture_begin(shared_pool(), cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (const c10::Error&) {  // says only that the work broke the recording
      }
      throw;
    }
    graph_.capture_end();
  }

  void replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

}  // namespace

// A library of its own, as it needs LibTorch's CUDA half: kernels/cuda_half.cpp finds this by its name.
extern "C" CAIRN_API void cairn_record_on_cuda(const std::function<void()>& work, std::unique_ptr<RecordedWork>& out) {
  out = std::make_unique<CudaGraph>(work);
}

}  // namespace cairn::kernels
