#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/masker.h"
#include "cairn/modality.h"
#include "cairn/objective.h"
#include "cairn/registry.h"
#include "config/experiment.h"
#include "model/branch.h"

namespace cairn {

class PluginLoader;

struct WeightedObjective {
  std::string type;
  double weight = 1.0;
  std::shared_ptr<Objective> objective;
};

/// Finds the component behind a type name ("transformer.vit").
using FindComponent = std::function<const Component&(ComponentKind kind, const std::string& type)>;

/// The components of the plugins that `loader` finds. Keeps a reference.
CAIRN_API FindComponent components_of(PluginLoader& loader);

/// The data of an experiment alone, without its networks. ConfigError with the option's full name as key.
CAIRN_API std::shared_ptr<Modality> build_modality(const Experiment& experiment, const FindComponent& find);
/// The masker of an experiment alone.
CAIRN_API std::shared_ptr<Masker> build_masker(const Experiment& experiment, const FindComponent& find);

/// Of what a predictor sees and of what it gives.
struct PredictorWidths {
  std::int64_t input = 0;
  std::int64_t output = 0;
};
/// Those that the predictor of an experiment is built for, whose student has this encoder.
CAIRN_API PredictorWidths predictor_widths(const Experiment& experiment, std::shared_ptr<Encoder> encoder,
                                           const TokenizerSpec& tokenizer, const FindComponent& find);

/// The parts of an experiment, built and found to fit together.
class CAIRN_API Composition {
 public:
  /// ConfigError, with the option's full name as key, for whatever does not fit.
  Composition(const Experiment& experiment, const FindComponent& find);

  /// A branch as the seed makes it: the student before its first step, or the blank of a teacher.
  std::shared_ptr<Branch> fresh_branch() const;

  std::shared_ptr<Modality> modality;
  std::shared_ptr<Masker> masker;
  std::shared_ptr<Branch> student;
  std::shared_ptr<Branch> teacher;       // null when no objective asks for one
  std::shared_ptr<Predictor> predictor;  // null: the prediction is the student's own feature
  std::vector<WeightedObjective> objectives;
  TargetSpec target;             // the one all objectives agree on, but for the level
  bool stack_views = true;       // train.stack
  bool projects_tokens = false;  // the projector is for tokens too, as in iBOT: for those that are compared

  /// Full names of the components, for messages.
  std::string modality_type, masker_type, encoder_type, predictor_type;

  /// Every trained module by its name in checkpoints: "encoder", "projector", "predictor", "objective.0".
  std::vector<std::pair<std::string, std::shared_ptr<torch::nn::Module>>> student_modules() const;

 private:
  void build_objectives(const FindComponent& find);
  void build_predictor(const FindComponent& find);
  /// Whether some objective compares at this level.
  bool compares(Level level) const;
  void check_projector() const;
  void check_companion() const;
  /// Whether encoder, predictor and objectives can do what the masker asks of such views.
  void check_plan_fits(const std::vector<ViewLayout>& views) const;
  void check_packing(const Plan& plan) const;
  void check_questions(const Plan& plan) const;

  Experiment experiment_;
  EncoderFactory make_encoder_;
  ProjectorFactory make_projector_;
};

/// Parameter counts, tokens and plan sizes, a line each, for `cairn check` and the log.
CAIRN_API std::string describe(const Composition& composition);

}  // namespace cairn
