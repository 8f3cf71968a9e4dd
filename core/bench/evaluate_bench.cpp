#include "bench/evaluate_bench.h"

#include <functional>

#include "evaluate/health.h"
#include "evaluate/knn.h"
#include "evaluate/linear_probe.h"

namespace cairn {
namespace {

Spread timed(std::int64_t repeats, const std::function<void()>& work) {
  std::vector<double> seconds;
  for (std::int64_t i = 0; i < repeats; ++i) {
    const Stopwatch watch;
    work();
    seconds.push_back(watch.wall_seconds());
  }
  return spread_of(seconds);
}

TimedProbe timed_linear(const FeatureSet& features, std::int64_t repeats, const LinearProbeOptions& options) {
  LinearProbeResult result;
  TimedProbe timing;
  timing.seconds =
      timed(repeats, [&] { result = linear_probe(features.train, features.test, features.classes, options); });
  timing.accuracy = result.accuracy;
  timing.c = result.c;
  timing.iterations = result.iterations;
  return timing;
}

}  // namespace

EvaluateBench bench_evaluate(const FeatureSet& features, const EvaluateBenchOptions& options) {
  EvaluateBench bench;
  bench.knn.seconds = timed(options.repeats, [&] {
    bench.knn.accuracy = knn_accuracy(features.train, features.test, features.classes,
                                      {.neighbours = options.neighbours, .device = options.device});
  });
  LinearProbeOptions single{.grid = {options.c}};
  single.fit.gradient_tolerance = options.tolerance;
  single.fit.least_progress = 0.0;
  single.fit.max_iterations = 200;
  bench.linear = timed_linear(features, options.repeats, single);
  if (options.chooses_c) bench.grid = timed_linear(features, options.repeats, {});
  bench.health_seconds = timed(options.repeats, [&] {
    const at::Tensor& x = features.test.x;
    feature_std(x), effective_rank(x), rankme(x), alpha_req(x);
  });
  return bench;
}

}  // namespace cairn
