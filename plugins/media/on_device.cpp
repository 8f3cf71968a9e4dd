#include "media/on_device.h"

#include <ATen/ATen.h>

namespace cairn::media {

at::Tensor OnDevice::as(const at::TensorOptions& options) const {
  if (values_.device() == options.device() && values_.dtype() == options.dtype()) return values_;
  const std::lock_guard lock(copy_->mutex);
  at::Tensor& copy = copy_->values;
  if (!copy.defined() || copy.device() != options.device() || copy.dtype() != options.dtype())
    copy = values_.to(options);
  return copy;
}

at::Tensor sent_to(const at::Tensor& values, at::Device device) {
  return device.is_cuda() ? values.pin_memory().to(device, /*non_blocking=*/true) : values.to(device);
}

}  // namespace cairn::media
