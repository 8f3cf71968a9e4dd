#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "config/experiment.h"
#include "data/loader.h"

namespace cairn {

/// The samples an experiment trains on: its modality's, and those of the companion where that has one.
class CAIRN_API TrainingPart {
 public:
  /// DataError if there are none.
  TrainingPart(std::shared_ptr<const Modality> modality, const Experiment& experiment);

  const SampleSource& source() const { return *own_->source; }
  /// For a loader, which must not outlive this.
  std::vector<Feed> feeds() const;
  /// How often the modality's own samples have been seen when `samples` have been, of whatever kind.
  std::int64_t epoch(std::int64_t samples) const;
  /// Unreadable samples that were not taken before.
  std::vector<BadSample> take_unreadable() const;
  std::int64_t unreadable() const;

 private:
  struct Part {
    std::shared_ptr<const Modality> modality;
    std::unique_ptr<SampleSource> source;
    std::unique_ptr<Quarantine> quarantine;
    double share = 1.0;
  };
  static std::unique_ptr<Part> open(std::shared_ptr<const Modality> modality, const Experiment& experiment,
                                    double share);

  std::unique_ptr<Part> own_, companion_;
};

/// Share of unreadable samples that stops a run: modality.max_bad_share, or its usual value for modalities without it.
CAIRN_API double max_bad_share(const Experiment& experiment);

/// How the loader of an experiment reads, all but its first batch and their number.
CAIRN_API LoaderOptions training_loader(const Experiment& experiment, std::int64_t total_steps);

}  // namespace cairn
