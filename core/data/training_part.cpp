#include "data/training_part.h"

#include <algorithm>

#include "cairn/error.h"

namespace cairn {
namespace {

constexpr double kDefaultBadShare = 0.05;

}  // namespace

std::unique_ptr<SampleSource> open_training_part(const Modality& modality, const Experiment& experiment) {
  auto source = modality.open(Split::train, Purpose::pretrain);
  if (!source || source->size() == 0)
    throw DataError(experiment.modality.type + " has no training samples", "", "check modality.path");
  return source;
}

double max_bad_share(const Experiment& experiment) {
  for (const auto& [name, value] : experiment.modality.options) {
    if (name != "max_bad_share") continue;
    if (const auto* share = std::get_if<double>(&value.data)) return *share;
    if (const auto* whole = std::get_if<std::int64_t>(&value.data)) return static_cast<double>(*whole);
  }
  return kDefaultBadShare;
}

LoaderOptions training_loader(const Experiment& experiment, std::int64_t total_steps) {
  const TrainSettings& train = experiment.train;
  LoaderOptions options;
  options.seed = experiment.seed;
  options.batch_size = train.batch_size / train.accumulate;
  options.workers = train.workers;
  options.queue = std::max(train.queue, train.workers);
  options.total_steps = total_steps;
  options.per_step = train.accumulate;
  options.modality_type = experiment.modality.type;
  options.masker_type = experiment.masker.type;
  return options;
}

}  // namespace cairn
