#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/encoder.h"
#include "cairn/export.h"
#include "checkpoint/published.h"
#include "config/experiment.h"

namespace cairn {

class PluginLoader;

/// Which copy of the weights, where there are two.
enum class WeightsOf : std::uint8_t { teacher, student };

/// How a source of weights is opened.
struct SourceOptions {
  std::optional<WeightsOf> weights;  // unset: the teacher where there is one
  bool partial = false;              // accept missing, left over and misshapen tensors, and list them
  std::vector<std::string> sets;     // "key=value" on top of a training run's experiment
};

/// A source of weights as a network in evaluation mode.
struct CAIRN_API OpenedNetwork {
  std::shared_ptr<Encoder> encoder;
  PublishedModel model;                  // its parts; `model.encoder` is the copy that was loaded
  std::optional<Experiment> experiment;  // of a training run
  std::filesystem::path run;             // its folder
  std::filesystem::path checkpoint;      // the folder or file that was read
  bool has_teacher = false;              // the source has two copies of its weights
  std::string origin;                    // "teacher of step 20 of runs/x"
  std::vector<std::string> left_out;     // what the source holds beside: "predictor (52 tensors)"
  double seconds = 0.0;                  // that opening took
  std::vector<std::string> not_loaded;   // of a partial load: every name, and how it does not fit

  /// What was loaded and what was not, in lines for people.
  std::string report() const;
  /// A view [B,C,...] of this network; ConfigError if its patches do not divide it.
  View view(const at::Tensor& data) const;
};

/// Opens a training run (its newest checkpoint), a checkpoint of one, a folder that `cairn convert` wrote, a Hugging
/// Face folder, or a published training checkpoint. ConfigError for anything else; Error or DataError, with every name
/// that does not fit, for one that cannot be opened.
CAIRN_API OpenedNetwork open_network(const std::filesystem::path& source, const SourceOptions& options,
                                     PluginLoader& loader);

/// All tokens of the last layer [B,N,D]: the class token and registers, where there are some, before the patches.
CAIRN_API at::Tensor last_hidden_state(const Encoded& encoded);

/// Name of a copy of the weights: "teacher".
CAIRN_API const char* weights_name(WeightsOf weights);

}  // namespace cairn
