#include "data/training_part.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "plugin/guard.h"

namespace cairn {

TrainingPart::TrainingPart(std::shared_ptr<const Modality> modality, const Experiment& experiment) {
  const std::optional<Companion> companion = modality->companion();
  own_ = open(std::move(modality), experiment, 1.0);
  if (companion) companion_ = open(companion->modality, experiment, companion->share);
}

std::unique_ptr<TrainingPart::Part> TrainingPart::open(std::shared_ptr<const Modality> modality,
                                                       const Experiment& experiment, double share) {
  auto source = call_in_table(experiment.modality.type, experiment.modality.table,
                              [&] { return modality->open(Split::train, Purpose::pretrain); });
  if (!source || source->size() == 0)
    throw DataError(experiment.modality.type + " has no training samples", "", "check the paths in [modality]");
  auto quarantine = std::make_unique<Quarantine>(source->size(), max_bad_share(experiment));
  return std::make_unique<Part>(Part{std::move(modality), std::move(source), std::move(quarantine), share});
}

std::vector<Feed> TrainingPart::feeds() const {
  std::vector<Feed> feeds;
  for (const Part* part : {own_.get(), companion_.get()})
    if (part) feeds.push_back({*part->modality, *part->source, *part->quarantine, part->share});
  return feeds;
}

std::int64_t TrainingPart::epoch(std::int64_t samples) const {
  if (!companion_) return samples / source().size();
  return static_cast<std::int64_t>(static_cast<double>(samples) * (1.0 - companion_->share)) / source().size();
}

std::vector<BadSample> TrainingPart::take_unreadable() const {
  std::vector<BadSample> all = own_->quarantine->take_new();
  if (!companion_) return all;
  const std::vector<BadSample> others = companion_->quarantine->take_new();
  all.insert(all.end(), others.begin(), others.end());
  return all;
}

std::int64_t TrainingPart::unreadable() const {
  return own_->quarantine->count() + (companion_ ? companion_->quarantine->count() : 0);
}

double max_bad_share(const Experiment& experiment) {
  return option_or(experiment.modality.options, "max_bad_share", kUsualBadShare);
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
  options.masker_type = experiment.masker.type;
  return options;
}

}  // namespace cairn
