#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// The independent random streams of a run. Plugins draw from the Rng they are handed.
enum class Stream : std::uint32_t {
  initialise,
  shuffle,
  load,
  replace,
  plan,
  prepare,
  model,
  probe,
  companion,
  user = 1000
};

/// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011): the value of draw n depends only on
/// (seed, stream, epoch, sample, n), so results do not depend on threads, workers or resumption.
class CAIRN_API Rng {
 public:
  Rng(std::uint64_t seed, Stream stream, std::uint64_t epoch = 0, std::uint64_t sample = 0);

  /// 32 random bits.
  std::uint32_t bits();
  /// 64 random bits, the first draw in the upper half.
  std::uint64_t bits64();
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  /// Uniform in [low, high).
  double uniform(double low, double high);
  /// Uniform integer in [low, high], both inclusive, without modulo bias.
  std::int64_t integer(std::int64_t low, std::int64_t high);
  /// Standard normal (Box-Muller).
  double normal();
  /// True with this probability: never at 0 or below, always at 1 or above.
  bool chance(double probability);
  /// A uniformly random order of 0 .. n-1 (Fisher-Yates).
  std::vector<std::int64_t> permutation(std::int64_t n);
  /// Puts the values in a uniformly random order (Fisher-Yates).
  void shuffle(std::span<std::int64_t> values);
  /// An independent generator for part `index` of the work; draws nothing from this one.
  Rng fork(std::uint64_t index) const;

 private:
  void refill();

  std::uint32_t key_[2];
  std::uint32_t counter_[4];
  std::uint32_t block_[4];
  std::uint64_t draws_ = 0;
  int used_ = 4;
};

}  // namespace cairn
