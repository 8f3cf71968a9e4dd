#include "bench/step_trace.h"

#include <torch/csrc/autograd/profiler_kineto.h>

#include <fstream>
#include <set>
#include <utility>

#include "cairn/error.h"

namespace cairn {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;

StepTrace::StepTrace(at::Device device, std::filesystem::path file) : device_(device), file_(std::move(file)) {
  if (!std::ofstream(file_))
    throw Error("cannot write the trace", file_.string(), "choose a file in a folder that exists and may be written");
}

StepTrace::~StepTrace() {
  if (is_running_) profiler::disableProfiler();
}

void StepTrace::start() {
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO,
                                                     /*report_input_shapes=*/true);
  std::set<ActivityType> activities = {ActivityType::CPU};
  if (device_.is_cuda()) activities.insert(ActivityType::CUDA);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  is_running_ = true;
}

void StepTrace::save() {
  is_running_ = false;
  profiler::disableProfiler()->save(file_.string());
}

}  // namespace cairn
