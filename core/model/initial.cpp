#include "model/initial.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cairn/error.h"
#include "cairn/nn/positions.h"
#include "checkpoint/option_table.h"
#include "model/evaluation_mode.h"
#include "model/named_state.h"
#include "model/network_source.h"
#include "model/noise.h"
#include "model/published_network.h"

namespace cairn {
namespace {

// Of outputs, relative to the largest one: other orders of sums.
constexpr double kSameOutput = 1e-4;
constexpr const char* kKey = "initial.path";

/// Options that both have and that differ, a line each.
std::string differing(const Value::Table& own, const Value::Table& source, const std::string& table) {
  std::string lines;
  for (const auto& [name, value] : source)
    if (const Value* mine = find_option(own, name); mine != nullptr && !(*mine == value))
      lines += fmt::format("\n  {}.{} is {}, the source has {}", table, name, mine->text(), value.text());
  return lines;
}

class Starter {
 public:
  Starter(const Experiment& experiment, const Composition& parts, PluginLoader& loader)
      : experiment_(experiment),
        settings_(experiment.initial),
        parts_(parts),
        loader_(loader),
        grid_(parts.modality->views(Purpose::pretrain).front().grid) {}

  std::vector<std::string> run() {
    SourceOptions options{WeightsOf::student, settings_.partial, {}};
    if (settings_.copy == "teacher") options.weights = WeightsOf::teacher;
    const OpenedNetwork source = open(options);
    const bool has_own_teacher = parts_.teacher && settings_.copy == "both" && source.has_teacher;
    say((has_own_teacher ? "student from " : "all from ") + source.origin);
    fill_branch("student", parts_.student, source);
    fill_predictor(source);
    if (has_own_teacher) {
      options.weights = WeightsOf::teacher;
      const OpenedNetwork other = open(options);
      say("teacher from " + other.origin);
      fill_branch("teacher", parts_.teacher, other);
    } else if (parts_.teacher) {
      fill_branch("teacher", parts_.teacher, source);
    }
    for (const std::string& name : source.not_loaded) say("not loaded: " + name);
    for (const std::string& name : source.left_out)
      if (!has_own_teacher || name.find("teacher") == std::string::npos) say("left out: " + name);
    return std::move(lines_);
  }

 private:
  void say(const std::string& line) { lines_.push_back(line); }

  [[noreturn]] void refuse(const std::string& what, const std::string& advice) const {
    throw ConfigError(kKey, what, advice);
  }

  OpenedNetwork open(const SourceOptions& options) const {
    try {
      return open_network(settings_.path, options, loader_);
    } catch (const Error& error) {
      refuse((error.where().empty() ? "" : error.where() + ": ") + error.message(), error.advice());
    }
  }

  bool wants(const char* part) const {
    return std::find(settings_.parts.begin(), settings_.parts.end(), part) != settings_.parts.end();
  }

  void fill_branch(const std::string& name, const std::shared_ptr<Branch>& branch, const OpenedNetwork& source) {
    const NamedTensors state = named_state({{"", branch}});
    if (wants("encoder")) {
      fill(name + "'s encoder", below(state, "encoder."), source.model.encoder, source.model.grid);
      compare_encoders(name, branch->encoder(), source);
    }
    const NamedTensors projector = below(state, "projector.");
    if (projector.empty() || !wants("projector")) return;
    if (source.model.projector)
      fill(name + "'s projector", projector, *source.model.projector, source.model.grid);
    else
      say(name + "'s projector starts fresh: the source has none");
  }

  void fill_predictor(const OpenedNetwork& source) {
    if (!parts_.predictor || !wants("predictor")) return;
    if (!source.model.predictor) return say("predictor starts fresh: the source has none");
    fill("predictor", named_state({{"", parts_.predictor}}), *source.model.predictor, source.model.grid);
    compare_predictors(source);
  }

  /// Copies the weights of `network`, made for views of `made_for`, into `state`.
  void fill(const std::string& name, const NamedTensors& state, const PublishedNetwork& network,
            const TokenGrid& made_for) {
    NamedTensors weights = network.weights;
    if (resize_positions(state, network, made_for, weights))
      say(fmt::format("{}: positions resized from {} to {}", name, made_for.text(), grid_.text()));
    const std::vector<std::string> wrong = misfits(state, weights);
    if (!wrong.empty() && !settings_.partial)
      refuse(fmt::format("these weights are not those of the {}:\n  {}", name, fmt::join(wrong, "\n  ")),
             "give the experiment the shape of the source, leave the part out of initial.parts, or set "
             "initial.partial = true");
    for (const std::string& line : wrong) say(name + ": " + line);
    const at::NoGradGuard no_grad;
    for (const auto& [key, tensor] : state)
      if (const auto found = weights.find(key); found != weights.end() && found->second.sizes() == tensor.sizes())
        at::Tensor(tensor).copy_(found->second);
  }

  /// Learned positions of another grid; false where there are none, or no resizing makes them fit.
  bool resize_positions(const NamedTensors& state, const PublishedNetwork& network, const TokenGrid& made_for,
                        NamedTensors& weights) const {
    const auto own = state.find("positions");
    const auto table = weights.find("positions");
    if (own == state.end() || table == weights.end() || made_for.axes != grid_.axes || made_for == grid_) return false;
    if (own->second.dim() != 3 || table->second.dim() != 3) return false;
    const std::int64_t leading = own->second.size(1) - grid_.count();
    if (leading < 0 || table->second.size(1) - made_for.count() != leading) return false;
    nn::PositionResize how;
    how.antialias = option_or(network.options, "resize_antialias", false);
    how.offset = option_or(network.options, "resize_offset", 0.0);
    how.is_flat = option_or(network.options, "resize_flat", false);
    const at::Tensor all = table->second.to(at::kFloat);
    const at::Tensor patches = all.narrow(1, leading, made_for.count());
    table->second = at::cat({all.narrow(1, 0, leading), nn::learned_positions(patches, made_for, grid_, {}, how)}, 1);
    return true;
  }

  /// Weights that fit may still mean something else: other heads, other positions. Noise shows it.
  void compare_encoders(const std::string& name, Encoder& own, const OpenedNetwork& source) const {
    if (!source.not_loaded.empty() || settings_.partial || own.depth() != source.encoder->depth()) return;
    const bool has_table = source.model.encoder.weights.contains("positions");
    const View view = noise_view(source.model.tokenizer, has_table ? grid_ : source.model.grid);
    const Look look{{}, {}, {own.depth() - 1}};
    const auto output = [&](Encoder& encoder) {
      const at::NoGradGuard no_grad;
      const EvaluationMode mode(encoder);
      View moved = view;
      moved.data = view.data.to(encoder.parameters().front().device());
      const Encoded encoded = encoder.encode(moved, look);
      return (encoded.taps.empty() ? encoded.tokens : encoded.taps.front()).cpu();
    };
    compare(name + "'s encoder", output(own), output(*source.encoder),
            differing(experiment_.encoder.options, source.model.encoder.options, "encoder"));
  }

  void compare_predictors(const OpenedNetwork& source) const {
    if (!source.not_loaded.empty() || settings_.partial) return;
    const bool asks_tokens = parts_.target.level == Level::tokens;
    const std::int64_t width = asks_tokens ? parts_.student->encoder().width() : parts_.student->pooled_width();
    const auto built = build_predictor(source.model, width, loader_);
    const bool has_table = source.model.predictor->weights.contains("positions");
    const TokenGrid& grid = has_table ? grid_ : source.model.grid;
    constexpr std::int64_t kRows = 2;
    const at::Tensor ids = at::arange(grid.count()).expand({kRows, -1});
    const std::int64_t seen = (grid.count() + 1) / 2;
    Question question;
    question.seen = {noise({kRows, seen, width}), noise({kRows, width}), {}, noise({kRows, 1, width})};
    question.seen_grid = question.asked_grid = grid;
    question.seen_at = {ids.narrow(1, 0, seen)};
    question.asked_at = {ids.narrow(1, seen, grid.count() - seen)};
    question.level = parts_.target.level;
    const auto answer = [&](Predictor& predictor) {
      const at::NoGradGuard no_grad;
      const EvaluationMode mode(predictor);
      Question moved = question;
      const at::Device device = predictor.parameters().front().device();
      for (at::Tensor* tensor :
           {&moved.seen.tokens, &moved.seen.pooled, &moved.seen.special, &moved.seen_at.index, &moved.asked_at.index})
        *tensor = tensor->to(device);
      return predictor.predict(moved).cpu();
    };
    compare("predictor", answer(*parts_.predictor), answer(*built.network),
            differing(experiment_.predictor->options, source.model.predictor->options, "predictor"));
  }

  void compare(const std::string& name, const at::Tensor& own, const at::Tensor& source,
               const std::string& options) const {
    const bool is_alike = own.sizes() == source.sizes();
    const double off = is_alike ? ((own - source).abs().max() / source.abs().max()).item<double>() : 1.0;
    if (off <= kSameOutput) return;
    refuse(fmt::format("the weights fit the {}, but it computes something else than their source (off by {:.2g} of the "
                       "largest value):{}",
                       name, off, options),
           "set these options as the source has them, or set initial.partial = true");
  }

  const Experiment& experiment_;
  const InitialSettings& settings_;
  const Composition& parts_;
  PluginLoader& loader_;
  TokenGrid grid_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> start_from(const Experiment& experiment, const Composition& parts, PluginLoader& loader) {
  return Starter(experiment, parts, loader).run();
}

}  // namespace cairn
