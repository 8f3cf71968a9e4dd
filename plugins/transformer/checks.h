#pragma once

#include <cstdint>
#include <string>

#include "cairn/error.h"
#include "cairn/plan.h"

namespace cairn::transformer {

/// ConfigError for a question about whole views, to a predictor of tokens.
inline void require_tokens(Level asked) {
  if (asked == Level::tokens) return;
  throw ConfigError("type", "predicts tokens, and is asked about whole views", "use transformer.mlp, or no predictor");
}

/// Hidden features of an MLP that is `ratio` times as wide as its tokens. ConfigError where none are left.
inline std::int64_t hidden_width(std::int64_t width, double ratio) {
  const auto hidden = static_cast<std::int64_t>(static_cast<double>(width) * ratio);
  if (hidden > 0) return hidden;
  throw ConfigError("mlp_ratio", "leaves the MLPs of a width of " + std::to_string(width) + " no hidden feature",
                    "raise it");
}

}  // namespace cairn::transformer
