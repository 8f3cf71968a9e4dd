#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/batch.h"
#include "cairn/encoder.h"

namespace cairn::conformance {

/// Data that a component is tried on: how it is cut into tokens, and the views of a sample.
struct Situation {
  std::string text;  // "2 views of 8 x 8 tokens over height, width"
  TokenizerSpec tokenizer;
  std::vector<ViewLayout> views;

  EncoderSetting encoder_setting() const { return {tokenizer, views}; }
  /// Extent in samples of view `number`, without batch and channels.
  std::vector<std::int64_t> size(std::size_t number) const;
  /// A view of random values, float [B,C,...], always the same for the same `seed`.
  View view(std::size_t number, std::int64_t batch, std::uint64_t seed) const;
};

/// A situation with its text.
Situation make_situation(TokenizerSpec tokenizer, std::vector<ViewLayout> views);

/// One, two and three axes; one view, two, and two with two small ones. In the order in which a component is tried.
std::vector<Situation> standard_situations();

/// Those of them with at least `views` views, all of one size.
std::vector<Situation> situations_with_views(int views);

}  // namespace cairn::conformance
