#include "model/network_source.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <chrono>

#include "cairn/error.h"
#include "cairn/nn/block.h"
#include "checkpoint/cairn_folder.h"
#include "checkpoint/option_table.h"
#include "checkpoint/original_models.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/step_folders.h"
#include "config/experiment.h"
#include "config/load.h"
#include "model/composition.h"
#include "model/data_source.h"
#include "model/named_state.h"
#include "model/published_network.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSources =
    "a source is a run folder, its checkpoints/step-N, a folder of cairn convert, a Hugging Face folder, or an "
    "original .pth.tar with its architecture.json";

WeightsOf choose(const SourceOptions& options, bool has_teacher, const std::string& where) {
  if (options.weights == WeightsOf::teacher && !has_teacher)
    throw Error("there is no teacher: its method trains a student alone", where, "leave out --weights, or say student");
  return options.weights.value_or(has_teacher ? WeightsOf::teacher : WeightsOf::student);
}

void note_part(const TensorMap& part, const std::string& name, std::vector<std::string>& left_out) {
  if (!part.empty()) left_out.push_back(fmt::format("{} ({} tensors)", name, part.size()));
}

/// What a masked autoencoder's predictor gives, from the options of its objective and masker; nothing for others.
std::optional<Reconstruction> reconstruction_of(const Experiment& experiment) {
  for (const ObjectiveSettings& objective : experiment.objectives) {
    const auto norm = option_or(objective.options, "patch_norm", std::string());
    if (norm.empty()) continue;
    const double seen = option_or(experiment.masker.options, "context_share", 1.0);
    const double hidden = option_or(experiment.masker.options, "hidden_share", 1.0 - seen);
    return Reconstruction{norm == "patch"           ? PatchNorm::patch
                          : norm == "patch_channel" ? PatchNorm::patch_channel
                                                    : PatchNorm::none,
                          hidden, false};
  }
  return std::nullopt;
}

/// A training run at one of its checkpoints.
void read_run(const fs::path& run, const fs::path& checkpoint, const SourceOptions& options, PluginLoader& loader,
              OpenedNetwork& opened) {
  if (!fs::exists(run / kRunConfig))
    throw DataError("the checkpoint lies in no run folder, so that its experiment is not known", checkpoint.string(),
                    "put it back below RUN/checkpoints/, where RUN holds config.toml");
  // The network is that of the run; what is set on top is about what is done with it.
  const Experiment trained = load_experiment(run / kRunConfig, {}, loader);
  const std::shared_ptr<Modality> modality = build_modality(trained, components_of(loader));
  const Experiment experiment =
      options.sets.empty()
          ? trained
          : load_experiment(run / kRunConfig, sets_for_data(trained, *modality, options.sets, loader), loader);
  const bool has_teacher = fs::exists(checkpoint / "teacher.safetensors");
  const TensorMap student = read_safetensors(checkpoint / "student.safetensors").tensors;
  const WeightsOf chosen = choose(options, has_teacher, checkpoint.string());
  const TensorMap branch =
      chosen == WeightsOf::teacher ? read_safetensors(checkpoint / "teacher.safetensors").tensors : student;

  PublishedModel& model = opened.model;
  model.format = "training run";
  model.tokenizer = modality->tokenizer();
  model.grid = modality->views(Purpose::pretrain).front().grid;
  model.encoder = {experiment.encoder.options, below(branch, "encoder."), 0, experiment.encoder.type};
  model.shows_class_token = option_or(model.encoder.options, "class_token", false);
  if (experiment.projector)
    model.projector =
        PublishedNetwork{experiment.projector->options, below(branch, "projector."), 0, experiment.projector->type};
  if (experiment.predictor)
    model.predictor =
        PublishedNetwork{experiment.predictor->options, below(student, "predictor."), 0, experiment.predictor->type};
  model.data = PublishedData{experiment.modality.type, experiment.modality.options};
  model.reconstruction = reconstruction_of(experiment);
  for (std::size_t i = 0; i < experiment.objectives.size(); ++i)
    note_part(below(student, fmt::format("objective.{}.", i)), experiment.objectives[i].type, opened.left_out);
  opened.has_teacher = has_teacher;
  if (has_teacher) opened.left_out.push_back(chosen == WeightsOf::teacher ? "student's encoder" : "teacher");
  opened.left_out.push_back("optimizer");
  opened.origin = fmt::format("{} of {}", weights_name(chosen), checkpoint.string());
  opened.experiment = experiment;
  opened.run = run;
}

void read_original_source(const fs::path& path, const SourceOptions& options, OpenedNetwork& opened) {
  opened.model = read_original_model(path, options.partial);
  const bool has_teacher = opened.model.teacher.has_value();
  opened.has_teacher = has_teacher;
  if (!has_teacher) {
    opened.origin = fmt::format("{} ({})", path.string(), opened.model.format);
    return;
  }
  const WeightsOf chosen = choose(options, has_teacher, path.string());
  if (chosen == WeightsOf::teacher) std::swap(opened.model.encoder, *opened.model.teacher);
  opened.model.teacher.reset();
  opened.left_out.push_back(weights_name(chosen == WeightsOf::teacher ? WeightsOf::student : WeightsOf::teacher));
  opened.origin = fmt::format("{} of {} ({})", weights_name(chosen), path.string(), opened.model.format);
}

bool holds_original(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_checkpoint_name(entry.path())) return true;
  return false;
}

[[noreturn]] void refuse_file(const fs::path& file) {
  if (!fs::exists(file)) throw ConfigError(file.string(), "there is no such source of weights", kSources);
  if (file.extension() == ".bin" && holds_bin(file.parent_path()))
    throw DataError("these are weights of transformers", file.string(), "name the folder, with config.json in it");
  throw ConfigError(file.string(), "this file is of no known kind of weights",
                    std::string(kSources) + "; files of weights end with .pth.tar, .pth, .pt or .safetensors");
}

void read_source(const fs::path& source, const SourceOptions& options, PluginLoader& loader, OpenedNetwork& opened) {
  opened.checkpoint = source;
  if (fs::is_regular_file(source) && is_checkpoint_name(source)) return read_original_source(source, options, opened);
  if (!fs::is_directory(source)) refuse_file(source);
  if (fs::exists(source / kCairnFile)) {
    opened.model = read_cairn_folder(source);
    opened.origin = source.string();
    return;
  }
  if (fs::exists(source / "student.safetensors")) return read_run(run_of(source), source, options, loader, opened);
  if (fs::exists(source / kRunConfig)) {
    const bool is_read = read_newest(source / "checkpoints", [&](const fs::path& newest) {
      read_run(source, newest, options, loader, opened);
      opened.checkpoint = newest;
    });
    if (!is_read) throw DataError("the run has no checkpoint yet", source.string(), "train it further");
    return;
  }
  if (!fs::exists(source / "config.json")) {
    if (holds_original(source)) return read_original_source(source, options, opened);
    if (holds_bin(source))
      throw DataError("these are weights of transformers, and config.json is missing beside them", source.string(),
                      "get it from where they came from");
    throw ConfigError(source.string(), "the folder holds no network", kSources);
  }
  opened.model = read_huggingface(source, options.partial);
  opened.origin = fmt::format("{} ({})", source.string(), opened.model.format);
}

/// Where the options of a source's network stand.
fs::path options_file(const OpenedNetwork& opened, const fs::path& source) {
  if (!opened.run.empty()) return opened.run / kRunConfig;
  for (const char* name : {kCairnFile, "config.json"})
    if (fs::exists(source / name)) return source / name;
  return source;
}

Published<Encoder> build_opened(const OpenedNetwork& opened, const fs::path& source, PluginLoader& loader) {
  try {
    return build_encoder(opened.model, opened.model.encoder, loader);
  } catch (const ConfigError& error) {
    throw DataError("encoder." + error.key() + ": " + error.message(), options_file(opened, source).string(),
                    error.advice());
  } catch (const UnknownNameError& error) {
    throw PluginError(error.message(), options_file(opened, source).string(), error.advice());
  }
}

/// What a run's predictor sees and gives, where that is not as wide as the encoder: only its experiment knows.
void note_predictor_widths(OpenedNetwork& opened, PluginLoader& loader) {
  if (!opened.experiment || !opened.model.predictor) return;
  const auto [input, output] =
      predictor_widths(*opened.experiment, opened.encoder, opened.model.tokenizer, components_of(loader));
  if (input != opened.encoder->width()) opened.model.predictor->input_width = input;
  if (output != input) opened.model.predictor->output_width = output;
}

/// DataError for options that no predictor can have: whoever edits cairn.json hears of it before the predictor is
/// needed.
void check_predictor(const OpenedNetwork& opened, const fs::path& source, PluginLoader& loader) {
  if (!opened.model.predictor || !fs::exists(source / kCairnFile)) return;
  try {
    build_predictor(opened.model, opened.encoder->width(), loader);
  } catch (const ConfigError& error) {
    throw DataError("predictor." + error.key() + ": " + error.message(), (source / kCairnFile).string(),
                    error.advice());
  } catch (const Error&) {
    // Features need no predictor, and its widths are not always known here.
  }
}

/// The number of heads, which the weights do not tell and the options may leave to the component.
void resolve_heads(const torch::nn::Module& network, Value::Table& options) {
  if (find_option(options, "heads") == nullptr) return;
  for (const auto& module : network.modules(/*include_self=*/false))
    if (const auto* attention = module->as<nn::Attention>())
      return set_option(options, "heads", Value(attention->heads()));
}

}  // namespace

const char* weights_name(WeightsOf weights) { return weights == WeightsOf::teacher ? "teacher" : "student"; }

std::string OpenedNetwork::report() const {
  std::int64_t values = 0;
  for (const auto& [name, tensor] : model.encoder.weights) values += tensor.numel();
  std::string text = fmt::format("loaded    {} in {:.2f} s\nencoder   {}: {} tensors, {:.2f} M values{}\n", origin,
                                 seconds, model.encoder.component, model.encoder.weights.size(),
                                 static_cast<double>(values) / 1e6, not_loaded.empty() ? ", every one of them" : "");
  for (const std::string& name : not_loaded) text += fmt::format("not loaded: {}\n", name);
  std::string names;
  for (const std::string& name : left_out) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? text : text + fmt::format("left out  {}\n", names);
}

View OpenedNetwork::view(const at::Tensor& data) const { return view_for(model, data); }

OpenedNetwork open_network(const fs::path& source, const SourceOptions& options, PluginLoader& loader) {
  const auto start = std::chrono::steady_clock::now();
  OpenedNetwork opened;
  read_source(source, options, loader, opened);
  opened.model.is_partial = options.partial;
  auto built = build_opened(opened, source, loader);
  opened.encoder = std::move(built.network);
  opened.model.encoder.component = built.component;
  opened.not_loaded = opened.model.gaps;
  opened.not_loaded.insert(opened.not_loaded.end(), built.gaps.begin(), built.gaps.end());
  // What a partial load went without is as a fresh network has it.
  if (!opened.not_loaded.empty()) opened.model.encoder.weights = named_state({{"", opened.encoder}});
  resolve_heads(*opened.encoder, opened.model.encoder.options);
  note_predictor_widths(opened, loader);
  check_predictor(opened, source, loader);
  if (auto& predictor = opened.model.predictor;
      predictor && option_or(predictor->options, "heads", std::int64_t{1}) == 0)
    resolve_heads(*build_predictor(opened.model, opened.encoder->width(), loader).network, predictor->options);
  opened.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return opened;
}

at::Tensor last_hidden_state(const Encoded& encoded) {
  return encoded.special.defined() ? at::cat({encoded.special, encoded.tokens}, 1) : encoded.tokens;
}

}  // namespace cairn
