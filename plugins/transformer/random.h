#pragma once

#include <cstdint>
#include <vector>

#include "cairn/masker.h"
#include "cairn/options.h"

namespace cairn::transformer {

/// What becomes of the tokens that are not seen: they do not enter the encoder, or enter it as mask tokens.
enum class Hide : std::uint8_t { drop, mask };

struct RandomOptions {
  double context_share = 0.25;
  std::int64_t context_tokens = 0;
  double target_share = 0.0;
  std::int64_t target_tokens = 0;
  std::int64_t contexts = 1;
  std::int64_t targets = 1;
  std::vector<std::int64_t> unit;
  Hide hide = Hide::drop;
  static Schema<RandomOptions> schema();
};

/// Uniformly random masks, drawn anew for each row: a context of each view, asked about tokens outside
/// it in one or more queries. Tokens come and go in units: blocks of equal extent that tile the grid.
class RandomMasker : public Masker {
 public:
  explicit RandomMasker(const RandomOptions& options);

  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;

 private:
  /// Numbers of units.
  struct Counts {
    std::int64_t seen = 0;
    std::int64_t asked = 0;
  };

  /// The extent of a unit on each axis of the grid.
  std::vector<std::int64_t> unit_of(const TokenGrid& grid) const;
  Counts counts(const TokenGrid& grid, std::int64_t tokens_per_unit) const;

  RandomOptions options_;
};

}  // namespace cairn::transformer
