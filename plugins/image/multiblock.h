#pragma once

#include <array>
#include <cstdint>

#include "cairn/masker.h"
#include "cairn/options.h"

namespace cairn::image {

/// The published I-JEPA configuration by default.
struct MultiblockOptions {
  std::array<double, 2> context_scale = {0.85, 1.0};
  std::array<double, 2> target_scale = {0.15, 0.2};
  std::array<double, 2> aspect_ratio = {0.75, 1.5};
  std::int64_t contexts = 1;
  std::int64_t targets = 4;
  std::int64_t min_keep = 10;
  bool allow_overlap = false;
  bool joint = false;
  std::int64_t round_to = 1;
  bool packed = false;
  bool faithful = false;

  static Schema<MultiblockOptions> schema();
};

/// I-JEPA's multi-block masking (Assran et al. 2023, section 3): one large block, minus the targets, predicts several
/// smaller ones. Block sizes are drawn once a batch, places once a sample; all rows of the batch are cut to equal
/// counts.
///
/// `faithful` reproduces the published code: one random number gives both scale and aspect, blocks never touch the last
/// row and column, lists are cut to their first ids, and constraints are dropped when 20 places fail (the context may
/// then contain targets). Otherwise sizes are independent with a log-uniform aspect, every place is possible, what is
/// cut is random, and context and targets stay disjoint: a crowded sample is drawn anew and keeps fewer than min_keep
/// only if nothing better is found.
class Multiblock : public Masker {
 public:
  /// ConfigError if a range is upside down.
  explicit Multiblock(const MultiblockOptions& options);

  /// Plans view 0, which must have two axes. For each context one query a target block; with `joint` one for all.
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;

 private:
  MultiblockOptions options_;
};

}  // namespace cairn::image
