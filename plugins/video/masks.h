#pragma once

#include <array>
#include <cstdint>

#include "cairn/masker.h"
#include "cairn/options.h"

namespace cairn::video {

/// The published V-JEPA configuration by default: a short-range and a long-range group.
struct MultiblockOptions {
  std::int64_t blocks = 8;
  std::array<double, 2> spatial_scale = {0.15, 0.15};
  std::array<double, 2> temporal_scale = {1.0, 1.0};
  std::array<double, 2> aspect_ratio = {0.75, 1.5};
  std::int64_t picture_blocks = 0;
  std::array<double, 2> picture_spatial_scale = {0.15, 0.15};
  double max_temporal_keep = 1.0;
  std::int64_t max_keep = 0;
  std::int64_t long_blocks = 2;
  std::array<double, 2> long_spatial_scale = {0.7, 0.7};
  std::array<double, 2> long_temporal_scale = {1.0, 1.0};
  std::array<double, 2> long_aspect_ratio = {0.75, 1.5};
  double long_max_temporal_keep = 1.0;
  std::int64_t long_max_keep = 0;
  bool full_complement = false;
  bool pred_full_complement = false;
  bool inverse = false;
  bool ask_seen = false;
  bool shared_mask_token = false;
  bool packed = false;
  bool faithful = false;

  static Schema<MultiblockOptions> schema();
};

/// V-JEPA's multi-block masking in three dimensions (Bardes et al. 2024, section 3.2; V-JEPA 2, Assran et al. 2025): in
/// each group the targets are the union of several blocks, the context is what they leave. Block sizes are drawn once a
/// batch, places once a sample; all rows of the batch are cut to equal counts. Grids of two axes count as one moment.
class Multiblock : public Masker {
 public:
  /// ConfigError if a range is upside down, or options exclude each other.
  explicit Multiblock(const MultiblockOptions& options);

  /// Plans view 0: one context and one query for each group.
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;

 private:
  MultiblockOptions options_;
};

struct TubeOptions {
  double hidden_share = 0.9;
  static Schema<TubeOptions> schema();
};

/// Random tubes (VideoMAE, Tong et al. 2022; V-JEPA 2.3): random places of the picture are seen at all times, the
/// others are asked about.
class Tube : public Masker {
 public:
  explicit Tube(const TubeOptions& options) : options_(options) {}

  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;

 private:
  TubeOptions options_;
};

struct CausalOptions {
  std::array<double, 2> seen_share = {0.25, 0.75};
  double horizon = 1.0;
  static Schema<CausalOptions> schema();
};

/// Prediction of the future: everything up to a moment is seen, what comes after it is asked about.
class Causal : public Masker {
 public:
  /// ConfigError if the range is upside down.
  explicit Causal(const CausalOptions& options);

  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;

 private:
  CausalOptions options_;
};

}  // namespace cairn::video
