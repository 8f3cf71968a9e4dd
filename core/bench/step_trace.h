#pragma once

#include <c10/core/Device.h>

#include <filesystem>

namespace cairn {

/// Records what the calling thread, its backward pass and the device do between start and save, by PyTorch's profiler.
class StepTrace {
 public:
  /// For `file`. Throws Error where it cannot be written.
  StepTrace(at::Device device, std::filesystem::path file);
  ~StepTrace();
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

  void start();
  /// Ends the recording and writes it in Chrome's trace format, which Perfetto and chrome://tracing show.
  void save();

 private:
  at::Device device_;
  std::filesystem::path file_;
  bool is_running_ = false;
};

}  // namespace cairn
