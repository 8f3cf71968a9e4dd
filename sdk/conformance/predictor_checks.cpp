#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/error.h"
#include "conformance/checks.h"
#include "conformance/network_checks.h"

namespace cairn::conformance {
namespace {

constexpr std::int64_t kPredicted = 4, kInput = 48, kOutput = 40;

/// Random tokens of the first view: `seen` of them, then `asked` others.
struct Places {
  TokenSet seen, asked;
};

Places places(const Situation& situation, std::int64_t batch) {
  const std::int64_t count = situation.views.front().grid.count();
  std::vector<at::Tensor> rows;
  for (std::int64_t row = 0; row < batch; ++row)
    rows.push_back(at::tensor(Rng(5, Stream::user, 0, static_cast<std::uint64_t>(row)).permutation(count), at::kLong));
  const at::Tensor order = at::stack(rows);
  const std::int64_t seen = count / 2, asked = count / 4;
  return {{order.narrow(1, 0, seen).contiguous()}, {order.narrow(1, seen, asked).contiguous()}};
}

/// A question about the first view, with features of a fixed generator; `special` are a class token and its like.
Question question(const Situation& situation, Level level, at::Device device) {
  const Places at = places(situation, kPredicted);
  at::Generator generator = at::detail::createCPUGenerator(11);
  const auto random = [&](at::IntArrayRef shape) { return at::randn(shape, generator).to(device); };
  Question asked;
  asked.seen.tokens = random({kPredicted, at.seen.index.size(1), kInput});
  asked.seen.pooled = random({kPredicted, kInput});
  asked.seen.special = random({kPredicted, 1, kInput});
  asked.seen_grid = asked.asked_grid = situation.views.front().grid;
  asked.seen_at.index = at.seen.index.to(device);
  if (level == Level::tokens) asked.asked_at.index = at.asked.index.to(device);
  asked.level = level;
  return asked;
}

PredictorSetting setting(const Situation& situation) { return {kInput, kOutput, situation.views}; }

/// One row of a question.
Question row_of(const Question& all, std::int64_t row) {
  Question one = all;
  for (at::Tensor* tensor :
       {&one.seen.tokens, &one.seen.pooled, &one.seen.special, &one.seen_at.index, &one.asked_at.index})
    if (tensor->defined()) *tensor = tensor->narrow(0, row, 1);
  return one;
}

std::string check_shape(Predictor& predictor, const Situation& situation, const Levels& levels) {
  std::string text;
  for (const Level level : levels) {
    const Question asked = question(situation, level, at::kCPU);
    const at::Tensor answer = predictor.predict(asked);
    std::vector<std::int64_t> expected = {kPredicted};
    if (level == Level::tokens) expected.push_back(asked.asked_at.index.size(1));
    expected.push_back(kOutput);
    require(answer.sizes() == at::IntArrayRef(expected),
            fmt::format("an answer is {}, expected {}", shape_text(answer.sizes()), shape_text(expected)));
    require(answer.isfinite().all().item<bool>(), "an answer is not finite");
    text += std::string(text.empty() ? "" : " and ") + (level == Level::tokens ? "tokens" : "whole views");
  }
  return "about " + text;
}

std::string check_rows(Predictor& predictor, const Situation& situation, const Levels& levels) {
  for (const Level level : levels) {
    const Question all = question(situation, level, at::kCPU);
    const double error = relative_error(predictor.predict(row_of(all, 2)), predictor.predict(all).narrow(0, 2, 1));
    require(error < kSame, fmt::format("a question alone gets an answer that differs by {:.2g}", error));
  }
  return {};
}

std::string check_order(Predictor& predictor, const Situation& situation) {
  Question asked = question(situation, Level::tokens, at::kCPU);
  const at::Tensor before = predictor.predict(asked);
  asked.asked_at.index = asked.asked_at.index.flip({1});
  const double error = relative_error(predictor.predict(asked), before.flip({1}));
  require(error < kSame, fmt::format("places asked in another order get answers that differ by {:.2g}", error));
  return {};
}

/// A question of which the second row has seen half as much, and that row alone.
std::string check_packing(Predictor& predictor, const Situation& situation) {
  Question asked = question(situation, Level::tokens, at::kCPU);
  const std::int64_t most = asked.seen_at.index.size(1), fewest = std::max<std::int64_t>(1, most / 2);
  asked.seen_at.lengths.assign(kPredicted, most);
  asked.seen_at.lengths[1] = fewest;
  asked.seen_at.index[1].narrow(0, fewest, most - fewest).copy_(asked.seen_at.index[1][fewest - 1]);
  asked.seen.tokens[1].narrow(0, fewest, most - fewest).zero_();
  Question alone = row_of(asked, 1);
  alone.seen_at = {alone.seen_at.index.narrow(1, 0, fewest)};
  alone.seen.tokens = alone.seen.tokens.narrow(1, 0, fewest);
  const double error = relative_error(predictor.predict(asked).narrow(0, 1, 1), predictor.predict(alone));
  require(error < kSame,
          fmt::format("{} of {} seen tokens alone get answers that differ by {:.2g}", fewest, most, error));
  return {};
}

/// The situation that it answers in, and the levels it answers at; the last refusal where there is none.
std::optional<Trial> first_accepted(const Part& part, std::span<const Situation> situations, std::string& refusal) {
  for (const Situation& situation : situations) {
    Levels levels;
    for (const Level level : {Level::tokens, Level::pooled}) try {
        const at::NoGradGuard no_grad;
        const auto predictor = part.predictor(setting(situation));
        predictor->eval();
        predictor->predict(question(situation, level, at::kCPU));
        levels.insert(level);
      } catch (const Error& error) {
        refusal = situation.text + ": " + error.what();
      }
    if (!levels.empty()) return Trial{situation, levels};
  }
  return std::nullopt;
}

Network network(const Part& part, const Trial& trial) {
  return {[=] { return part.predictor(setting(trial.situation)); },
          [=](torch::nn::Module& module, at::Device device) {
            std::vector<at::Tensor> answers;
            for (const Level level : trial.levels)
              answers.push_back(static_cast<Predictor&>(module).predict(question(trial.situation, level, device)));
            return answers;
          }};
}

}  // namespace

std::optional<Trial> check_predictor(const Part& part, std::span<const Situation> situations, Findings& findings) {
  std::optional<Trial> trial;
  findings.check("it answers about tokens or whole views", "an Error is for a level it cannot answer at", [&] {
    std::string refusal;
    trial = first_accepted(part, situations, refusal);
    require(trial.has_value(), refusal);
    return trial->situation.text;
  });
  if (!trial) return std::nullopt;
  const auto predictor = part.predictor(setting(trial->situation));
  predictor->eval();
  {
    const at::NoGradGuard no_grad;
    findings.check("answers have the shape that is asked for",
                   "[B,Q,output_width] for tokens, [B,output_width] for whole views",
                   [&] { return check_shape(*predictor, trial->situation, trial->levels); });
    findings.check("rows are independent",
                   "the engine stacks questions of several contexts: no value may depend on the other rows",
                   [&] { return check_rows(*predictor, trial->situation, trial->levels); });
    if (trial->levels.contains(Level::tokens))
      findings.check("answers follow the order asked",
                     "the place of an answer is Question::asked_at, not its number in the list",
                     [&] { return check_order(*predictor, trial->situation); });
    if (trial->levels.contains(Level::tokens) && predictor->can_pack())
      findings.check("rows of unequal length are answered from as from each alone",
                     "heed TokenSet::lengths of Question::seen_at, as nn::Packing does, or leave can_pack() false",
                     [&] { return check_packing(*predictor, trial->situation); });
  }
  check_network(network(part, *trial), findings);
  if (trial->levels.contains(Level::tokens)) return Trial{trial->situation, {Level::tokens}};
  return Trial{situations_with_views(2).front(), {Level::pooled}};
}

std::optional<Trial> check_projector(const Part& part, std::span<const Situation>, Findings& findings) {
  const auto input = [](at::Device device) {
    return at::randn({kPredicted, kInput}, at::detail::createCPUGenerator(11)).to(device);
  };
  const bool fits = findings.check("projections have the declared width", "project() maps [B,D] to [B,width()]", [&] {
    const at::NoGradGuard no_grad;
    const auto projector = part.projector({kInput});
    projector->eval();
    const at::Tensor output = projector->project(input(at::kCPU));
    require(output.sizes() == at::IntArrayRef({kPredicted, projector->width()}),
            fmt::format("a projection is {}, declared {} wide", shape_text(output.sizes()), projector->width()));
    require(output.isfinite().all().item<bool>(), "a projection is not finite");
    return fmt::format("{} wide", projector->width());
  });
  if (!fits) return std::nullopt;
  check_network({[&] { return part.projector({kInput}); },
                 [&](torch::nn::Module& module, at::Device device) {
                   return std::vector<at::Tensor>{static_cast<Projector&>(module).project(input(device))};
                 }},
                findings);
  return Trial{situations_with_views(2).front(), {Level::pooled}};
}

}  // namespace cairn::conformance
