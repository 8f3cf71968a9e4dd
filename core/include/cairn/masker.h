#pragma once

#include <cstdint>
#include <span>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "cairn/plan.h"
#include "cairn/progress.h"
#include "cairn/rng.h"

namespace cairn {

/// Chooses what is seen and what is asked. Stateless: it runs on loader threads, and only `rng` may decide.
class CAIRN_API Masker {
 public:
  virtual ~Masker();

  /// The plan of a batch of `batch` samples with these views. ConfigError if these grids leave nothing to see or ask.
  virtual Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress,
                    Rng& rng) const = 0;
};

}  // namespace cairn
