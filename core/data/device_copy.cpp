#include "data/device_copy.h"

#include <ATen/ATen.h>

namespace cairn {
namespace {

/// Moves one tensor after the other.
struct Move {
  at::Device device;
  void operator()(at::Tensor& tensor) const {
    if (tensor.defined()) tensor = tensor.to(device, /*non_blocking=*/true);
  }
};

}  // namespace

void to_device(Plan& plan, at::Device device) {
  if (!device.is_cpu()) for_each_index(plan, Move{device});
}

void to_device(Load& load, at::Device device) {
  if (!device.is_cpu()) for_each_tensor(load.batch, load.plan, Move{device});
}

void pin(Load& load) {
  for_each_tensor(load.batch, load.plan, [](at::Tensor& tensor) {
    if (tensor.defined()) tensor = tensor.pin_memory();
  });
}

}  // namespace cairn
