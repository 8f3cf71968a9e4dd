#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <span>
#include <vector>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "cairn/plan.h"

namespace cairn {

/// What an encoder makes of a view. `tokens` are the patch tokens it was asked to see, in the order asked; where rows
/// are of unequal length (TokenSet::lengths), zeros follow the shorter ones, in the taps too.
struct Encoded {
  at::Tensor tokens;             // [B,K,D]
  at::Tensor pooled;             // [B,D], or [B,P] behind a projector
  std::vector<at::Tensor> taps;  // [B,K,D] each: outputs of the blocks asked for, before the final norm
  at::Tensor special;            // [B,S,D] class token and registers; undefined where there are none
};

/// How a view is looked at: which tokens, which of them hidden behind mask tokens, which blocks to hand out.
struct Look {
  TokenSet visible;
  TokenSet masked;
  std::vector<std::int64_t> taps;  // block numbers from 0, ascending
};

/// Maps the seen tokens of a view to features. Encoding a subset equals dropping the other tokens after positions
/// were added, never renumbering them.
class CAIRN_API Encoder : public torch::nn::Module {
 public:
  Encoder();
  ~Encoder() override;

  /// Features of a prepared view, float [B,C,...] on the module's device: of all its N tokens, or of the K that
  /// `look.visible` [B,K] names, those of `look.masked` replaced by mask tokens. Gradients flow where they are on.
  /// Error if the view or the look is none that it can take.
  virtual Encoded encode(const View& view, const Look& look) = 0;
  /// Feature width D.
  virtual std::int64_t width() const = 0;
  /// Number of blocks, the range of Look::taps.
  virtual std::int64_t depth() const = 0;
  /// False for encoders that need the whole view (convolutions): a masker that hides tokens is then refused.
  virtual bool can_hide_tokens() const;
  /// Whether rows that see unequal numbers of tokens are each encoded as they would be alone; if not, a masker that
  /// packs is refused. False by default.
  virtual bool can_pack() const;
  /// ConfigError if it cannot encode what such a context shows, as it is set up. By default it can.
  virtual void check(const Context& seen) const;
  /// Whether it also takes views cut by this tokenizer, which is not the one it was made for: those of a companion
  /// (cairn/modality.h). False by default.
  virtual bool can_take(const TokenizerSpec& tokenizer) const;
};

/// What an experiment tells an encoder at construction.
struct EncoderSetting {
  TokenizerSpec tokenizer;
  std::vector<ViewLayout> views;
};

}  // namespace cairn
