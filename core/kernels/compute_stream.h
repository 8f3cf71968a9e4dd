#pragma once

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <optional>

namespace cairn::kernels {

/// Makes a stream of its own the current one of this thread while it lives: work on the default stream cannot be
/// recorded. Nothing on a CPU. Waits for all work of the device at both ends.
class ComputeStream {
 public:
  explicit ComputeStream(c10::Device device) {
    if (device.is_cpu()) return;
    device_.emplace(device.type());
    device_->synchronizeDevice(device.index());
    former_ = device_->exchangeStream(device_->getStreamFromGlobalPool(device));
  }
  ~ComputeStream() {
    if (!device_) return;
    try {
      device_->synchronizeDevice(former_->device_index());
      device_->exchangeStream(*former_);
    } catch (const c10::Error&) {  // of a device that has failed, which whatever ends this scope tells
    }
  }
  ComputeStream(const ComputeStream&) = delete;
  ComputeStream& operator=(const ComputeStream&) = delete;

 private:
  std::optional<c10::impl::VirtualGuardImpl> device_;
  std::optional<c10::Stream> former_;
};

}  // namespace cairn::kernels
