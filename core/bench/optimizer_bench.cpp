#include "bench/optimizer_bench.h"

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "train/flat_networks.h"
#include "train/optimizer.h"

namespace cairn {
namespace {

constexpr int kStreamRepeats = 7;
constexpr std::int64_t kWarmUp = 3;
constexpr std::int64_t kPatchValues = 3 * 16 * 16, kTokens = 197;

std::vector<FlatItem> transformer_parameters(std::int64_t width, std::int64_t depth) {
  using Shapes = std::vector<std::vector<std::int64_t>>;
  Shapes shapes = {{width, kPatchValues}, {width}, {1, 1, width}, {1, kTokens, width}};
  const Shapes block = {{width}, {width}, {3 * width, width}, {3 * width}, {width, width},     {width},
                        {width}, {width}, {4 * width, width}, {4 * width}, {width, 4 * width}, {width}};
  for (std::int64_t i = 0; i < depth; ++i) shapes.insert(shapes.end(), block.begin(), block.end());
  shapes.push_back({width});
  shapes.push_back({width});
  std::vector<FlatItem> items;
  for (const auto& shape : shapes)
    items.push_back({std::to_string(items.size()), (at::randn(shape) * 0.02).set_requires_grad(true), true});
  return items;
}

double milliseconds(at::Device device, const std::function<void()>& work) {
  synchronize(device);
  const Stopwatch watch;
  work();
  synchronize(device);
  return 1e3 * watch.wall_seconds();
}

/// GB/s of `work`, which reads and writes so many float32 values.
double stream_rate(const OptimizerBenchOptions& options, std::int64_t values, const std::function<void()>& work) {
  std::vector<double> times;
  work();
  for (int i = 0; i < kStreamRepeats; ++i) times.push_back(milliseconds(options.device, work));
  return 2.0 * sizeof(float) * static_cast<double>(values) / spread_of(times).median / 1e6;
}

/// Adds half of what the memory does now, in place and copying.
void measure_memory(const OptimizerBenchOptions& options, OptimizerBench& bench) {
  const std::int64_t values = options.stream_mb * ((std::int64_t{1} << 20) / static_cast<std::int64_t>(sizeof(float)));
  const auto on_device = at::TensorOptions().dtype(at::kFloat).device(options.device);
  const at::Tensor from = at::ones({values}, on_device), to = at::zeros({values}, on_device);
  bench.copy_gb_per_second += stream_rate(options, values, [&] { to.copy_(from); }) / 2;
  bench.in_place_gb_per_second += stream_rate(options, values, [&] { from.mul_(1.0); }) / 2;
}

/// Of values, gradients, moments and teacher, read and written, and of their copies in bfloat16, written.
double bytes_per_parameter(const FlatParameters& student, const FlatParameters* teacher, const Optimizer& optimizer) {
  const auto size = [](const at::Tensor& x) { return x.defined() ? static_cast<std::int64_t>(x.nbytes()) : 0; };
  const std::int64_t bytes = 2 * size(student.values()) + size(optimizer.first_moment()) +
                             size(optimizer.second_moment()) + (teacher ? size(teacher->values()) : 0);
  const std::int64_t copies = size(student.half()) + (teacher ? size(teacher->half()) : 0);
  return static_cast<double>(2 * bytes + copies) / static_cast<double>(student.values().numel());
}

OptimizerBench bench_updates(FlatParameters& student, FlatParameters* teacher, const OptimSettings& settings,
                             const std::string& precision, const OptimizerBenchOptions& options) {
  const at::NoGradGuard no_grad;
  if (precision == "bfloat16") student.cast_half();
  if (precision == "bfloat16" && teacher) teacher->cast_half();
  Optimizer optimizer(student, teacher, settings);
  OptimizerBench bench;
  bench.parameters = student.parameter_count();
  bench.bytes_per_parameter = bytes_per_parameter(student, teacher, optimizer);
  measure_memory(options, bench);
  std::vector<double> steps, norms;
  for (std::int64_t i = 0; i < kWarmUp + options.repeats; ++i) {
    student.gradients().add_(1e-3);
    at::Tensor norm;
    const double norm_ms = milliseconds(options.device, [&] { norm = optimizer.gradient_norm(); });
    const double step_ms = milliseconds(options.device, [&] { optimizer.step({1e-3, 0.05, 0.996, 1e-3}, norm); });
    if (i < kWarmUp) continue;
    norms.push_back(norm_ms);
    steps.push_back(step_ms);
  }
  measure_memory(options, bench);
  bench.step_ms = spread_of(steps);
  bench.norm_ms = spread_of(norms);
  bench.gb_per_second = bench.bytes_per_parameter * static_cast<double>(bench.parameters) / bench.step_ms.median / 1e6;
  return bench;
}

}  // namespace

OptimizerBench bench_optimizer(const BenchedTransformer& transformer, const OptimizerBenchOptions& options) {
  const auto parameters = [&] { return transformer_parameters(transformer.width, transformer.depth); };
  FlatParameters student(parameters(), options.device, /*with_gradients=*/true);
  FlatParameters teacher(parameters(), options.device, /*with_gradients=*/false);
  OptimSettings settings;
  settings.moments = transformer.moments;
  return bench_updates(student, &teacher, settings, transformer.precision, options);
}

OptimizerBench bench_optimizer(const Experiment& experiment, const Composition& parts,
                               const OptimizerBenchOptions& options) {
  const std::vector<OptimRule>& rules = experiment.optim.rule;
  const std::unique_ptr<FlatParameters> student = flatten_student(parts, rules, options.device);
  const std::unique_ptr<FlatParameters> teacher = flatten_teacher(parts, rules, options.device);
  return bench_updates(*student, teacher.get(), experiment.optim, experiment.train.precision, options);
}

}  // namespace cairn
