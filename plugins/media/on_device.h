#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>

namespace cairn::media {

/// Constants, with their copy of the device and type that was last asked for: to copy them anew would stop the
/// device's queue each time. May be asked by several threads.
class OnDevice {
 public:
  OnDevice() = default;
  explicit OnDevice(at::Tensor values) : values_(std::move(values)) {}

  const at::Tensor& values() const { return values_; }
  /// The values as `options` say.
  at::Tensor as(const at::TensorOptions& options) const;

 private:
  struct Copy {
    std::mutex mutex;
    at::Tensor values;
  };

  at::Tensor values_;
  std::shared_ptr<Copy> copy_ = std::make_shared<Copy>();
};

/// Values of the CPU on a device, whose queue does not stop for them.
at::Tensor sent_to(const at::Tensor& values, at::Device device);

}  // namespace cairn::media
