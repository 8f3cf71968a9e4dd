#include "mlp.h"

#include "cairn/error.h"
#include "cairn/nn/tokens.h"

namespace cairn::transformer {

Schema<MlpOptions> MlpOptions::schema() {
  Schema<MlpOptions> s(
      "MLP on what the encoder makes of a view (BYOL, SimSiam) or of each masked token (SimMIM: one layer)");
  nn::add_head_options(s);
  return s;
}

Schema<ProjectorOptions> ProjectorOptions::schema() {
  Schema<ProjectorOptions> s("MLP head on the pooled feature, the projector of contrastive methods");
  s.option("width", &ProjectorOptions::width, "output width").range(1, 1 << 17);
  nn::add_head_options(s);
  return s;
}

MlpProjector::MlpProjector(const ProjectorOptions& options, const ProjectorSetting& setting)
    : width_(options.width),
      head_(register_module("head", std::make_shared<nn::MlpHead>(options, setting.input_width, options.width))) {}

at::Tensor MlpProjector::project(const at::Tensor& pooled) { return head_->forward(pooled); }

MlpPredictor::MlpPredictor(const MlpOptions& options, const PredictorSetting& setting)
    : head_(
          register_module("head", std::make_shared<nn::MlpHead>(options, setting.input_width, setting.output_width))) {}

void MlpPredictor::check(const Context& seen, const Query& asked) const {
  if (asked.level == Level::tokens && !seen.visible.all())
    throw ConfigError("type", "is asked about tokens that did not enter the encoder",
                      "use a masker that masks instead of dropping (hide = \"mask\"), or transformer.narrow");
}

at::Tensor MlpPredictor::predict(const Question& question) {
  if (question.level == Level::pooled) return head_->forward(question.seen.pooled);
  check({0, question.seen_at, {}}, {0, 0, {}, question.level, question.group});
  if (!(question.seen_grid == question.asked_grid))
    throw Error("a question about tokens of another view", "predictor transformer.mlp", "use transformer.narrow");
  const at::Tensor asked = nn::gather_tokens(question.seen.tokens, question.asked_at);
  return head_->forward(asked.flatten(0, 1)).unflatten(0, {asked.size(0), asked.size(1)});
}

}  // namespace cairn::transformer
