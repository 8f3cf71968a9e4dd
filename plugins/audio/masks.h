#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cairn/masker.h"
#include "cairn/options.h"

namespace cairn::audio {

/// One large context block predicts several smaller ones. The defaults are A-JEPA's first phase, which is I-JEPA's.
struct BlockOptions {
  std::array<double, 2> context_scale = {0.85, 1.0};
  std::array<double, 2> target_scale = {0.15, 0.2};
  std::array<double, 2> aspect_ratio = {0.75, 1.5};
  bool relative_aspect = true;
  std::int64_t targets = 4;
  std::int64_t min_keep = 10;
  bool exclude_times = false;
  bool exclude_bands = false;
  bool packed = false;
  bool joint = false;
};

struct MultiblockOptions : BlockOptions {
  static Schema<MultiblockOptions> schema();
};

struct TimeFrequencyOptions : BlockOptions {
  TimeFrequencyOptions();
  static Schema<TimeFrequencyOptions> schema();
};

/// What a curriculum begins with and ends with.
enum class Phase : std::uint8_t { random, multiblock, time_frequency };

struct CurriculumOptions : MultiblockOptions, TimeFrequencyOptions {
  Phase from = Phase::multiblock;
  Phase to = Phase::time_frequency;
  double competence = 0.01;
  double context_share = 0.4;
  static Schema<CurriculumOptions> schema();
};

/// Multi-block masking on spectrograms, of any shape and either order of axes: blocks reach every slot and band, and
/// keep their area where a side does not fit. Sizes are drawn once a batch, places once a sample; rows are cut to equal
/// counts at random. Context and targets are disjoint.
class Multiblock : public Masker {
 public:
  /// ConfigError, with `prefix` before the option's name, if a range is upside down.
  explicit Multiblock(const BlockOptions& options, std::string prefix = "");

  /// ConfigError if a view has not two axes, or the targets leave nothing to see.
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;

 private:
  BlockOptions options_;
  std::string prefix_;
};

/// A-JEPA's time-frequency aware masking (Fei et al. 2023): fewer, smaller blocks, and the context also loses every
/// time slot and every band that a target touches. The paper gives no formula; this reading agrees with its block
/// sizes. Where that leaves at most min_keep tokens, only the targets themselves are taken out.
class TimeFrequency : public Multiblock {
 public:
  using Multiblock::Multiblock;
};

/// A-JEPA's curriculum: each step is masked the later way with probability
/// f(s) = min(1, sqrt(s (1 - c^2) / S) + c^2), else the earlier way; s of S steps are done.
class Curriculum : public Masker {
 public:
  explicit Curriculum(const CurriculumOptions& options);

  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;
  /// f(s) of the steps done so far.
  double competence(const Progress& progress) const;

 private:
  CurriculumOptions options_;
  Multiblock multiblock_;
  TimeFrequency time_frequency_;
};

}  // namespace cairn::audio
