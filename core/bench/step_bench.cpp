#include "bench/step_bench.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "bench/step_trace.h"
#include "nn/cpu_product.h"
#include "report/summary.h"
#include "train/trainer.h"

namespace cairn {
namespace {

// Of the matrices whose product shows what the device can do.
constexpr std::int64_t kPeakSide = 2048, kPeakSideOfGpu = 8192;
constexpr int kPeakRepeats = 7;
constexpr std::int64_t kTracedSteps = 2;  // after the measured ones

/// Takes the time of every step, and a trace of the last ones where it is asked for.
class StepTimer : public Watcher {
 public:
  explicit StepTimer(const StepBenchOptions& options) : options_(options) {
    if (!options.trace.empty()) trace_.emplace(options.device, options.trace);
  }

  void stepped(std::int64_t step, double loader_wait) override {
    synchronize(options_.device);
    const std::int64_t measured = options_.warm_up + options_.steps;
    if (step > measured) {
      if (step == measured + kTracedSteps) trace_->save();
      return;
    }
    walls_.push_back(watch_.wall_seconds());
    processors_.push_back(watch_.processor_seconds());
    waits_.push_back(loader_wait);
    if (step == measured) memory_ = peak_device_memory(options_.device).value_or(peak_memory());
    if (step == measured && trace_) trace_->start();
    watch_ = Stopwatch();
  }
  void logged(const StepRecord&) override {}
  void guarded(std::int64_t, const std::string&) override {}
  void unreadable(const BadSample&) override {}
  std::optional<double> evaluate(std::int64_t) override { return std::nullopt; }
  void saved(std::int64_t, const std::filesystem::path&) override {}

  void fill(StepBench& bench) const {
    std::vector<double> steps, processors;
    double wall = 0, wait = 0;
    for (auto i = static_cast<std::size_t>(options_.warm_up); i < walls_.size(); ++i) {
      steps.push_back(1e3 * (walls_[i] - waits_[i]));
      processors.push_back(1e3 * processors_[i]);
      wall += walls_[i];
      wait += waits_[i];
    }
    bench.step_ms = spread_of(steps);
    bench.processor_ms = spread_of(processors);
    bench.wait_share = wait / wall;
    bench.first_step_seconds = walls_.front();
    bench.peak_memory_bytes = memory_;
  }

 private:
  StepBenchOptions options_;
  std::optional<StepTrace> trace_;
  Stopwatch watch_;
  std::vector<double> walls_, processors_, waits_;  // seconds of each step
  std::int64_t memory_ = 0;
};

/// An empty folder that goes with its owner.
class ScratchFolder {
 public:
  ScratchFolder()
      : path_(std::filesystem::temp_directory_path() / fmt::format("cairn-bench-{}", static_cast<int>(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

double peak_flops(at::Device device, at::ScalarType type) {
  const at::NoGradGuard no_grad;
  const auto options = at::TensorOptions().dtype(type).device(device);
  const std::int64_t side = device.is_cpu() ? kPeakSide : kPeakSideOfGpu;
  const at::Tensor a = at::randn({side, side}, options), b = at::randn({side, side}, options);
  std::vector<double> times;
  for (int i = 0; i <= kPeakRepeats; ++i) {
    synchronize(device);
    const Stopwatch watch;
    device.is_cpu() ? nn::cpu_product(a, b) : at::mm(a, b);
    synchronize(device);
    if (i > 0) times.push_back(watch.wall_seconds());
  }
  return 2.0 * static_cast<double>(side * side * side) / spread_of(times).lowest;
}

}  // namespace

double StepBench::utilisation() const { return flops_per_step / (step_ms.median / 1e3) / peak_flops; }

StepBench bench_step(const Experiment& experiment, Composition& parts, const StepBenchOptions& options) {
  Experiment bare = experiment;
  bare.train.steps = options.warm_up + options.steps + (options.trace.empty() ? 0 : kTracedSteps);
  bare.train.stop_at = 0;
  bare.evaluate.every = bare.checkpoint.every = 0;
  bare.log.every = bare.train.steps;
  const ScratchFolder folder;
  StepBench bench;
  StepTimer timer(options);
  Trainer trainer(bare, parts, folder.path(), options.device);
  trainer.count_flops_of(std::max<std::int64_t>(1, options.warm_up));
  bench.flops_per_step = trainer.run(timer).flops_per_step;
  bench.samples_per_step = bare.train.batch_size;
  timer.fill(bench);
  bench.peak_flops = peak_flops(options.device, bare.train.precision == "bfloat16" ? at::kBFloat16 : at::kFloat);
  return bench;
}

}  // namespace cairn
