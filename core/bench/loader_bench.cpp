#include "bench/loader_bench.h"

#include <ATen/ATen.h>

#include <fstream>
#include <string>
#include <utility>

#include "data/device_copy.h"

namespace cairn {
namespace {

constexpr double kKibInMib = 1024.0;

/// Memory of this process that is really there, in MiB.
double resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmRSS:") continue;
    double kib = 0.0;
    status >> kib;
    return kib / kKibInMib;
  }
  return 0.0;
}

/// Batches of an experiment as the loop would get them, ready for the network.
class PreparedBatches {
 public:
  PreparedBatches(const Experiment& experiment, const TrainingPart& data, const Masker& masker, std::int64_t count,
                  at::Device device)
      : experiment_(experiment), device_(device), loader_(data.feeds(), masker, options(experiment, count, device)) {}

  Batch next() {
    Load load = loader_.next();
    to_device(load, device_);
    Rng rng(experiment_.seed, Stream::prepare, 0, number_++);
    load.feed->modality.prepare(load.batch, Purpose::pretrain, rng);
    return std::move(load.batch);
  }

 private:
  static LoaderOptions options(const Experiment& experiment, std::int64_t count, at::Device device) {
    LoaderOptions options = training_loader(experiment, experiment.train.steps);
    options.count = count;
    options.pin = device.is_cuda();
    return options;
  }

  const Experiment& experiment_;
  at::Device device_;
  Loader loader_;
  std::uint64_t number_ = 0;
};

}  // namespace

LoaderBench bench_loader(const Experiment& experiment, const TrainingPart& data, const Masker& masker,
                         const LoaderBenchOptions& options) {
  const std::int64_t total = (options.segments + 1) * options.batches;
  PreparedBatches batches(experiment, data, masker, total, options.device);
  LoaderBench result;
  result.data_size = data.source().size();
  std::int64_t batch_size = 0;
  for (std::int64_t i = 0; i < options.batches; ++i) batch_size = batches.next().size();
  const double resident = resident_mib();
  std::vector<double> rates, costs;
  for (std::int64_t segment = 0; segment < options.segments; ++segment) {
    const Stopwatch watch;
    for (std::int64_t i = 0; i < options.batches; ++i) batches.next();
    synchronize(options.device);
    const auto samples = static_cast<double>(options.batches * batch_size);
    rates.push_back(samples / watch.wall_seconds());
    costs.push_back(1e3 * watch.processor_seconds() / samples);
  }
  result.samples_per_second = spread_of(rates);
  result.processor_ms = spread_of(costs);
  result.samples = options.segments * options.batches * batch_size;
  result.unreadable = data.unreadable();
  result.resident_growth_mib = resident_mib() - resident;
  return result;
}

ChannelStatistics measure_statistics(const Experiment& experiment, const TrainingPart& data, const Masker& masker,
                                     std::int64_t batches) {
  PreparedBatches prepared(experiment, data, masker, batches, at::kCPU);
  at::Tensor sum, square;
  double values = 0.0;
  ChannelStatistics result;
  for (std::int64_t i = 0; i < batches; ++i) {
    const Batch batch = prepared.next();
    const at::Tensor data = batch.views.front().data.to(at::kDouble).transpose(0, 1).flatten(1);  // [C,V]
    sum = sum.defined() ? sum + data.sum(1) : data.sum(1);
    square = square.defined() ? square + data.square().sum(1) : data.square().sum(1);
    values += static_cast<double>(data.size(1));
    result.samples += batch.size();
  }
  const at::Tensor mean = sum / values, deviation = (square / values - mean.square()).clamp_min(0).sqrt();
  for (std::int64_t c = 0; c < mean.size(0); ++c) {
    result.mean.push_back(mean[c].item<double>());
    result.std.push_back(deviation[c].item<double>());
  }
  return result;
}

}  // namespace cairn
