#pragma once

#include <cstdint>
#include <memory>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "config/experiment.h"
#include "data/loader.h"

namespace cairn {

/// The samples an experiment trains on; DataError if there are none.
CAIRN_API std::unique_ptr<SampleSource> open_training_part(const Modality& modality, const Experiment& experiment);

/// Share of unreadable samples that stops a run: modality.max_bad_share, or its usual value for modalities without it.
CAIRN_API double max_bad_share(const Experiment& experiment);

/// How the loader of an experiment reads, all but its first batch and their number.
CAIRN_API LoaderOptions training_loader(const Experiment& experiment, std::int64_t total_steps);

}  // namespace cairn
