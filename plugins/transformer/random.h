#pragma once

#include <cstdint>

#include "cairn/masker.h"
#include "cairn/options.h"

namespace cairn::transformer {

struct RandomOptions {
  double context_share = 0.25;
  std::int64_t context_tokens = 0;
  double target_share = 0.0;
  std::int64_t target_tokens = 0;
  std::int64_t contexts = 1;
  std::int64_t targets = 1;
  static Schema<RandomOptions> schema();
};

/// Uniformly random masks, drawn anew for each row: a context of each view, asked about tokens outside
/// it in one or more queries.
class RandomMasker : public Masker {
 public:
  explicit RandomMasker(const RandomOptions& options);

  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;

 private:
  struct Counts {
    std::int64_t seen = 0;
    std::int64_t asked = 0;
  };

  Counts counts(const TokenGrid& grid) const;

  RandomOptions options_;
};

}  // namespace cairn::transformer
