#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <vector>

#include "cairn/encoder.h"
#include "cairn/export.h"

namespace cairn {

/// One question to a predictor. Rows are independent; the engine stacks queries of equal shape along B.
struct Question {
  Encoded seen;          // tokens [B,K,D], pooled [B,D]; K as seen_at says
  TokenGrid seen_grid;   // grid of the view the context came from
  TokenSet seen_at;      // [B,K] where those tokens stand
  TokenGrid asked_grid;  // grid of the view asked about
  TokenSet asked_at;     // [B,Q] tokens to predict; all when undefined
  Level level = Level::tokens;
  int group = 0;
  bool seen_too = false;  // the last places of asked_at are those of seen_at, in this order
};

/// Answers what the target encoder would say about the asked places, told only where they are.
class CAIRN_API Predictor : public torch::nn::Module {
 public:
  Predictor();
  ~Predictor() override;

  /// Returns [B,Q,O] for tokens, [B,O] for a pooled question; O is PredictorSetting::output_width.
  virtual at::Tensor predict(const Question& question) = 0;
  /// Whether it answers from rows of unequal length (TokenSet::lengths of seen_at) as from each alone; if not, a masker
  /// that packs is refused. False by default.
  virtual bool can_pack() const;
  /// ConfigError if it has no answer to such a question about what such a context shows. By default it has one to all.
  virtual void check(const Context& seen, const Query& asked) const;
};

/// What an experiment tells a predictor at construction.
struct PredictorSetting {
  std::int64_t input_width = 0;   // the encoder's (or projector's) width
  std::int64_t output_width = 0;  // width of the target
  std::vector<ViewLayout> views;
};

/// A head on pooled features, wrapped round the encoder so that the teacher has one too (BYOL, MoCo, DINO).
class CAIRN_API Projector : public torch::nn::Module {
 public:
  Projector();
  ~Projector() override;

  /// [B,D] to [B,P].
  virtual at::Tensor project(const at::Tensor& pooled) = 0;
  /// Output width P.
  virtual std::int64_t width() const = 0;
};

/// What an experiment tells a projector at construction.
struct ProjectorSetting {
  std::int64_t input_width = 0;
};

}  // namespace cairn
