#pragma once

#include <c10/core/Device.h>

#include "cairn/export.h"

namespace cairn {

/// Runs what happens in its scope under bfloat16 autocast on `device`, and restores the former state whatever happens.
class CAIRN_API Autocast {
 public:
  Autocast(c10::DeviceType device, bool enabled);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool enabled_;
  bool former_ = false;
};

/// Whether autocast to bfloat16 is on for tensors of `device`.
bool is_mixed(c10::Device device);

}  // namespace cairn
