#include "cli/run_views.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/archive/iterators/base64_from_binary.hpp>
#include <boost/archive/iterators/transform_width.hpp>
#include <cmath>
#include <iostream>
#include <numbers>
#include <numeric>
#include <optional>

#include "cli/opened_run.h"
#include "data/device_copy.h"
#include "evaluate/attentive_probe.h"
#include "evaluate/energy.h"
#include "evaluate/features.h"
#include "evaluate/reconstruct.h"
#include "evaluate/tsne.h"
#include "model/engine.h"
#include "plugin/guard.h"
#include "report/picture.h"
#include "report/small_picture.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kSamples = 300;  // searched for neighbours and scattered
constexpr std::int64_t kShown = 8;      // inputs that are shown in full
constexpr std::int64_t kClips = 4;      // the same where time lies before two other axes
constexpr std::int64_t kQueries = 3;
constexpr std::int64_t kNear = 7;
constexpr std::int64_t kFrames = 8;            // of a clip beside each other
constexpr std::int64_t kNearFrames = 3;        // the same among neighbours
constexpr std::int64_t kPlans = 16;            // that each input is asked with
constexpr std::int64_t kMostValues = 1 << 25;  // of all tokens, for a probe to learn from

std::string base64(const std::string& bytes) {
  using boost::archive::iterators::base64_from_binary;
  using boost::archive::iterators::transform_width;
  using Digits = base64_from_binary<transform_width<std::string::const_iterator, 6, 8>>;
  std::string text(Digits(bytes.begin()), Digits(bytes.end()));
  return text.append((4 - text.size() % 4) % 4, '=');
}

/// Colours [3,...], 0 .. 1, over the axes of a view.
Json image_json(const std::string& title, const at::Tensor& colours, const std::vector<Axis>& axes,
                std::int64_t frames = kFrames) {
  const at::Tensor picture = as_bytes(lay_flat(colours, axes, frames));
  return {{"title", title}, {"width", picture.size(1)}, {"height", picture.size(0)}, {"png", base64(png(picture))}};
}

/// The order in which every first few are spread evenly over all: as the multiples of the golden section lie in 0 .. 1.
std::vector<std::int64_t> spread_evenly(const std::vector<std::int64_t>& all) {
  std::vector<std::size_t> from_left(all.size());
  std::iota(from_left.begin(), from_left.end(), 0);
  const auto place = [](std::size_t i) { return std::fmod(static_cast<double>(i) * std::numbers::phi, 1.0); };
  std::sort(from_left.begin(), from_left.end(), [&](std::size_t a, std::size_t b) { return place(a) < place(b); });
  std::vector<std::int64_t> order(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) order[from_left[i]] = all[i];
  return order;
}

/// `scores` over three times their standard deviation.
at::Tensor to_unit(const at::Tensor& scores) { return scores / (3.0 * scores.std(0, /*unbiased=*/false) + 1e-12); }

/// Weights of tokens [N] stretched from 0 at the least to 1 at the largest.
at::Tensor stretched(const at::Tensor& weight) {
  const at::Tensor above = weight - weight.min();
  return above / above.max().clamp_min(1e-12);
}

/// What a model that predicts input makes of the first samples, [B,C,...], 0 .. 1.
struct Rebuilt {
  at::Tensor seen, filled, original;
};

/// What the samples look like and what the encoder makes of them.
struct Looked {
  std::vector<at::Tensor> pictures;  // uint8 [3,...] each, shrunk
  std::vector<std::string> classes;
  at::Tensor tokens;               // [shown,N,D] of the first samples
  at::Tensor all_tokens;           // [M,N*D]; undefined where they are too many to learn from
  std::optional<Energy> energy;    // of the first batch
  std::optional<Rebuilt> rebuilt;  // of the first samples
  at::Tensor features;             // [M,D]
  at::Tensor labels;               // [M]
  TokenGrid grid;

  std::int64_t count() const { return static_cast<std::int64_t>(pictures.size()); }
  /// How many samples are shown in full.
  std::int64_t shown() const { return std::min(grid.extent.size() == 3 ? kClips : kShown, count()); }
  bool has_tokens() const { return tokens.size(1) == grid.count(); }
  at::Tensor colours(std::int64_t row) const {
    return pictures[static_cast<std::size_t>(row)].to(at::kFloat).div(255.0);
  }
  std::string class_of(std::int64_t row) const {
    const auto label = labels[row].item<std::int64_t>();
    if (label < 0) return {};
    return static_cast<std::size_t>(label) < classes.size() ? classes[static_cast<std::size_t>(label)]
                                                            : fmt::format("class {}", label);
  }
  std::string title(std::int64_t row) const {
    const std::string name = class_of(row);
    return fmt::format("{}{}{}", row + 1, name.empty() ? "" : " · ", name);
  }
  Json image(const std::string& title, const at::Tensor& colours, std::int64_t frames = kFrames) const {
    return image_json(title, colours, grid.axes, frames);
  }
};

/// One plan of the run's masker, filled in. All three are drawn between the extremes of the original.
std::optional<Rebuilt> rebuild(const OpenedRun& run, const Batch& batch) {
  Composition& parts = *run.parts;
  if (!has_energy(parts) || parts.target.source != Source::input) return std::nullopt;
  Rng rng(run.experiment.seed, Stream::plan);
  const std::vector<ViewLayout> views = parts.modality->views(Purpose::evaluate);
  Plan plan = call_plugin(parts.masker_type, [&] { return parts.masker->plan(views, batch.size(), Progress{}, rng); });
  to_device(plan, batch.views.front().data.device());
  const std::vector<FilledView> made = reconstruct(parts, batch, plan, Progress{});
  if (made.empty()) return std::nullopt;
  const View& view = batch.views.front();
  std::vector<std::int64_t> each(static_cast<std::size_t>(view.data.dim()), 1);
  each[0] = batch.size();
  const at::Tensor rows = view.data.flatten(1);
  const at::Tensor filled = at::min(at::max(made.front().filled, rows.amin(1).view(each)), rows.amax(1).view(each));
  View all{at::cat({made.front().seen, filled, view.data}, 2), view.grid, view.role};
  all.grid.extent.front() *= 3;
  const std::vector<at::Tensor> shown = parts.modality->display(all).to(at::kCPU, at::kFloat).chunk(3, 2);
  return Rebuilt{shown[0], shown[1], shown[2]};
}

Looked look(const OpenedRun& run, const SampleSource& source, at::Device device) {
  const at::NoGradGuard no_grad;
  const Modality& modality = *run.parts->modality;
  const auto chosen = spread_evenly(
      choose_samples(source.size(), kSamples, run.experiment.seed, static_cast<std::uint64_t>(Split::test)));
  SampleReader reader(modality, source, chosen, run.experiment.evaluate.batch_size, run.experiment.seed);
  Looked seen;
  seen.classes = source.classes();
  std::vector<at::Tensor> features, labels, tokens;
  reader.visit(device, run.experiment.train.workers, [&](const Batch& batch, std::span<const std::int64_t>) {
    const View& view = batch.views.front();
    const Encoded encoded = run.branch().encoder().encode(view, {});
    if (!seen.tokens.defined()) {
      seen.tokens = encoded.tokens.narrow(0, 0, std::min(kShown, batch.size())).to(at::kCPU, at::kFloat);
      seen.grid = view.grid;
      if (has_energy(*run.parts)) seen.energy = measure_energy(*run.parts, batch, {kPlans, run.experiment.seed});
      seen.rebuilt = rebuild(run, batch);
    }
    if (encoded.tokens[0].numel() * static_cast<std::int64_t>(chosen.size()) <= kMostValues)
      tokens.push_back(encoded.tokens.flatten(1).to(at::kCPU, at::kFloat));
    features.push_back(encoded.pooled.to(at::kCPU, at::kFloat));
    labels.push_back(batch.label.cpu());
    const at::Tensor shown = modality.display(view).to(at::kCPU, at::kFloat);
    for (std::int64_t row = 0; row < batch.size(); ++row)
      seen.pictures.push_back(
          shrink(colourise(shown[row], view.grid.axes), view.grid).mul(255).round().clamp(0, 255).to(at::kByte));
  });
  if (features.empty()) return seen;
  if (!tokens.empty()) seen.all_tokens = at::cat(tokens);
  seen.features = at::cat(features);
  seen.labels = at::cat(labels);
  seen.tokens = seen.tokens.narrow(0, 0, std::min(seen.shown(), seen.tokens.size(0)));
  return seen;
}

Json inputs(const Looked& seen) {
  Json out = Json::array();
  for (std::int64_t i = 0; i < seen.shown(); ++i) out.push_back(seen.image(seen.title(i), seen.colours(i)));
  return out;
}

Json rebuilt_pictures(const Looked& seen, const at::Tensor& shown) {
  Json out = Json::array();
  for (std::int64_t i = 0; i < seen.tokens.size(0); ++i)
    out.push_back(seen.image(seen.title(i), shrink(colourise(shown[i], seen.grid.axes), seen.grid)));
  return out;
}

/// Each token in one colour, as large as on the picture.
Json token_maps(const Looked& seen) {
  const at::Tensor scores = to_unit(principal_scores(seen.tokens.flatten(0, 1), 3)).clamp(-1.0, 1.0);
  const at::Tensor colours = (0.5 * (scores + 1.0)).view({seen.tokens.size(0), seen.grid.count(), 3});
  const at::Tensor& like = seen.pictures.front();
  const auto size = like.sizes().slice(static_cast<std::size_t>(like.dim()) - seen.grid.extent.size());
  Json out = Json::array();
  for (std::int64_t i = 0; i < colours.size(0); ++i) {
    std::vector<at::Tensor> channels;
    for (std::int64_t c = 0; c < 3; ++c) channels.push_back(spread_tokens(colours[i].select(1, c), seen.grid, size));
    out.push_back(seen.image(seen.title(i), at::stack(channels)));
  }
  return out;
}

/// Whether a context hides or is asked about tokens of its view, so that there is something to draw.
bool has_mask(const Plan& plan, int context) {
  const Context& seen = plan.contexts[static_cast<std::size_t>(context)];
  return !seen.visible.all() || !seen.masked.all() ||
         std::any_of(plan.queries.begin(), plan.queries.end(), [&](const Query& query) {
           return query.context == context && query.view == seen.view && query.level == Level::tokens;
         });
}

/// What the first context of a plan of the run's masker shows and what it is asked.
Json masks(const OpenedRun& run, const Looked& seen) {
  const auto views = run.parts->modality->views(Purpose::pretrain);
  if (views.empty() || views.front().grid.extent != seen.grid.extent) return Json::array();
  Rng rng(run.experiment.seed, Stream::plan);
  const Plan plan = run.parts->masker->plan(views, seen.shown(), Progress{}, rng);
  Json out = Json::array();
  if (plan.contexts.empty() || plan.contexts.front().view != 0 || !has_mask(plan, 0)) return out;
  for (std::int64_t i = 0; i < seen.shown(); ++i)
    out.push_back(seen.image(seen.title(i), context_colours(seen.colours(i), seen.grid, plan, 0, i)));
  return out;
}

Json neighbours(const Looked& seen, std::int64_t query) {
  const at::Tensor unit = seen.features / seen.features.norm(2, 1, true).clamp_min(1e-12);
  at::Tensor cosine = at::mv(unit, unit[query]);
  const at::Tensor order = cosine.argsort(/*dim=*/0, /*descending=*/true);
  Json out = Json::array({seen.image("asked", seen.colours(query), kNearFrames)});
  for (std::int64_t i = 0; i < order.size(0) && static_cast<std::int64_t>(out.size()) <= kNear; ++i) {
    const std::int64_t row = order[i].item<std::int64_t>();
    if (row == query) continue;
    const std::string title = fmt::format("{:.2f} {}", cosine[row].item<double>(), seen.class_of(row));
    out.push_back(seen.image(title, seen.colours(row), kNearFrames));
  }
  return out;
}

/// Where the model is surprised: the more a token differs from what was expected, the more orange.
Json energy_maps(const Looked& seen) {
  const at::Tensor map = at::nan_to_num(seen.energy->of_token.narrow(0, 0, seen.tokens.size(0)));
  const at::Tensor weight = (map / map.max().clamp_min(1e-12)).clamp(0.0, 1.0);
  Json out = Json::array();
  for (std::int64_t i = 0; i < map.size(0); ++i)
    out.push_back(seen.image(fmt::format("{:.3g}", seen.energy->of_sample[i].item<double>()),
                             tint_tokens(seen.colours(i), weight[i], seen.grid)));
  return out;
}

/// The most surprising token of a sample, what is there, and the real patches nearest to what was expected.
Json expectation(const Looked& seen, std::int64_t row) {
  const auto patch = [&](const TokenPlace& place) {
    return cut_token(seen.colours(place.row), seen.grid, place.token);
  };
  const TokenPlace place{row, at::nan_to_num(seen.energy->of_token[row], -1.0).argmax().item<std::int64_t>()};
  const at::Tensor mark = at::zeros({seen.grid.count()}).index_fill_(0, at::tensor({place.token}, at::kLong), 1.0);
  Json out = Json::array();
  out.push_back(seen.image("where", tint_tokens(seen.colours(row), mark, seen.grid)));
  out.push_back(seen.image("there", patch(place)));
  for (const TokenPlace& found : retrieve(*seen.energy, place, kNear))
    out.push_back(seen.image("expected", patch(found)));
  return out;
}

/// Where the query of an attentive probe looks that has learnt the classes of the samples; empty without classes.
Json attention_maps(const Looked& seen) {
  Json out = Json::array();
  const Features known = labelled({seen.all_tokens, seen.labels, std::vector<std::int64_t>(seen.pictures.size()), 0});
  if (known.size() < 2 || known.y.max().item<std::int64_t>() < 1) return out;
  const AttentiveProbe probe(known, seen.tokens.size(2), known.y.max().item<std::int64_t>() + 1, vjepa_recipe());
  const at::Tensor looks = probe.attention(seen.tokens.flatten(1));
  for (std::int64_t i = 0; i < looks.size(0); ++i)
    out.push_back(seen.image(seen.title(i), tint_tokens(seen.colours(i), stretched(looks[i]), seen.grid)));
  return out;
}

/// The rows of pictures, by their titles, those that there are.
Json rows_of_pictures(const OpenedRun& run, const Looked& seen) {
  Json rows = Json::object();
  const auto add = [&](const std::string& title, Json pictures) {
    if (!pictures.empty()) rows[title] = std::move(pictures);
  };
  add("inputs", inputs(seen));
  add("what a context sees (bright) and what is asked of it (coloured)", masks(run, seen));
  if (seen.rebuilt) {
    add("reconstruction: what is seen", rebuilt_pictures(seen, seen.rebuilt->seen));
    add("reconstruction: filled in", rebuilt_pictures(seen, seen.rebuilt->filled));
    add("reconstruction: the original", rebuilt_pictures(seen, seen.rebuilt->original));
  }
  if (seen.grid.count() > 1 && seen.has_tokens()) add("tokens as colours", token_maps(seen));
  if (seen.energy && seen.energy->of_token.size(1) == seen.grid.count()) {
    add("energy: where the model is surprised (orange), with the mean of the sample", energy_maps(seen));
    for (std::int64_t i = 0; i < std::min(kQueries, seen.tokens.size(0)); ++i)
      add(fmt::format("most surprising patch of sample {}, what is there, and the real patches nearest to the expected",
                      i + 1),
          expectation(seen, i));
  }
  if (seen.all_tokens.defined() && seen.has_tokens())
    add("where the query of an attentive probe looks (orange)", attention_maps(seen));
  for (std::int64_t i = 0; i < std::min(kQueries, seen.count()); ++i)
    add(fmt::format("nearest neighbours of sample {}, with the cosine of the pooled features", i + 1),
        neighbours(seen, i));
  return rows;
}

/// A row [label, x, y] for each sample, with its place by t-SNE behind where there are enough.
Json scatter(const Looked& seen) {
  const auto short_number = [](double value) { return std::round(1e3 * value) / 1e3; };
  std::vector<at::Tensor> planes = {to_unit(principal_scores(seen.features, 2))};
  if (seen.count() >= kFewestForTsne) planes.push_back(to_unit(tsne(seen.features)));
  Json out = Json::array();
  for (std::int64_t row = 0; row < seen.count(); ++row) {
    Json point = Json::array({seen.labels[row].item<std::int64_t>()});
    for (const at::Tensor& plane : planes)
      for (std::int64_t axis = 0; axis < 2; ++axis) point.push_back(short_number(plane[row][axis].item<double>()));
    out.push_back(std::move(point));
  }
  return out;
}

Json no_views(const std::string& reason) {
  Json out = Json::object();
  out["reason"] = reason;
  return out;
}

Json views_of(const OpenedRun& run, at::Device device) {
  auto source = run.parts->modality->open(Split::test, Purpose::evaluate);
  if (!source) source = run.parts->modality->open(Split::train, Purpose::evaluate);
  if (!source || source->size() < 2) return no_views("there are fewer than two samples to look at");
  const Looked seen = look(run, *source, device);
  if (!seen.features.defined() || seen.features.size(0) < 2) return no_views("fewer than two samples can be read");
  if (!at::isfinite(seen.features).all().item<bool>())
    return no_views("the features are not finite: training has broken the weights");
  return {{"pictures", rows_of_pictures(run, seen)}, {"scatter", scatter(seen)}};
}

}  // namespace

Json run_views(const std::filesystem::path& run, PluginLoader& loader) {
  try {
    return views_of(open_run(run, {}, loader, at::kCPU), at::kCPU);
  } catch (const std::exception& error) {
    std::cerr << "no pictures of " << run.string() << ": " << exception_text(error) << '\n';
    return no_views(exception_text(error));
  }
}

}  // namespace cairn::cli
