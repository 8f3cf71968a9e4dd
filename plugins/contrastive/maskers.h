#pragma once

#include <array>

#include "cairn/masker.h"
#include "cairn/options.h"

namespace cairn::contrastive {

struct CrossOptions {
  static Schema<CrossOptions> schema();
};

/// Every view is seen whole and asked about every other view as a whole.
class Cross : public Masker {
 public:
  explicit Cross(const CrossOptions&) {}
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;
};

struct LocalToGlobalOptions {
  std::array<double, 2> masked_share = {0.0, 0.0};
  static Schema<LocalToGlobalOptions> schema();
};

/// Every view is seen whole and asked about every other global view: DINO's multi-crop (Caron et al. 2021, eq. 3). With
/// a masked share, random blocks of the global views are seen as mask tokens, and each is asked about its own hidden
/// tokens as well: iBOT (Zhou et al. 2022). The share is drawn for each batch; every sample has masks.
class LocalToGlobal : public Masker {
 public:
  explicit LocalToGlobal(const LocalToGlobalOptions& options);
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override;

 private:
  LocalToGlobalOptions options_;
};

}  // namespace cairn::contrastive
