#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace cairn {

/// Token ids of each row of a batch, as many in every row unless `lengths` says how many; undefined means every token.
struct TokenSet {
  at::Tensor index;                        // int64 [B,K]
  std::vector<std::int64_t> lengths = {};  // [B], the largest K: what follows them in `index` repeats the last id

  bool all() const { return !index.defined(); }
  bool is_ragged() const { return !lengths.empty(); }
};

/// What the student sees of a view. Tokens of `masked` (undefined: none) are seen as mask tokens, as in SimMIM and
/// iBOT; tokens outside `visible` are not processed at all.
struct Context {
  int view = 0;
  TokenSet visible;
  TokenSet masked;
};

/// What a prediction is about: single tokens, or the view as a whole.
enum class Level : std::uint8_t { tokens, pooled };

/// Predict, from contexts[context], view `view` at `where`. `group` picks the predictor's mask token. With `seen_too`
/// `where` ends with the tokens that the context sees, in its order: V-JEPA 2.1's dense questions.
struct Query {
  int context = 0;
  int view = 0;
  TokenSet where;
  Level level = Level::tokens;
  int group = 0;
  bool seen_too = false;
};

/// What is seen and what is asked in one batch. Asking about seen tokens is an error unless a query's `seen_too`, or
/// `may_overlap`, says that it is meant.
struct Plan {
  std::vector<Context> contexts;
  std::vector<Query> queries;
  bool may_overlap = false;
};

}  // namespace cairn
