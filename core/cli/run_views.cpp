#include "cli/run_views.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/archive/iterators/base64_from_binary.hpp>
#include <boost/archive/iterators/transform_width.hpp>
#include <optional>

#include "evaluate/attentive_probe.h"
#include "evaluate/energy.h"
#include "evaluate/features.h"
#include "report/picture.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kSamples = 300;  // searched for neighbours and scattered
constexpr std::int64_t kShown = 8;      // inputs whose tokens are shown
constexpr std::int64_t kQueries = 3;
constexpr std::int64_t kNear = 7;
constexpr std::int64_t kMostPixels = 96;       // of a picture's side
constexpr std::int64_t kPlans = 16;            // that each input is asked with
constexpr std::int64_t kMostValues = 1 << 25;  // of all tokens, for a probe to learn from
constexpr double kHidden = 0.25;               // brightness of what is neither seen nor asked

std::string base64(const at::Tensor& bytes) {
  using boost::archive::iterators::base64_from_binary;
  using boost::archive::iterators::transform_width;
  using Digits = base64_from_binary<transform_width<const std::uint8_t*, 6, 8>>;
  const at::Tensor flat = bytes.contiguous();
  const auto* begin = flat.const_data_ptr<std::uint8_t>();
  std::string text(Digits(begin), Digits(begin + flat.numel()));
  return text.append((4 - text.size() % 4) % 4, '=');
}

/// [H,W,3] of numbers 0 to 255.
Json image_json(const std::string& title, const at::Tensor& rgb) {
  return {{"title", title},
          {"width", rgb.size(1)},
          {"height", rgb.size(0)},
          {"rgb", base64(rgb.clamp(0, 255).to(at::kByte))}};
}

/// Every n-th pixel, so that neither side is too long.
at::Tensor thumbnail(const at::Tensor& picture) {
  const std::int64_t stride = (std::max(picture.size(0), picture.size(1)) + kMostPixels - 1) / kMostPixels;
  return picture.slice(0, 0, picture.size(0), stride).slice(1, 0, picture.size(1), stride).contiguous();
}

/// Extent of the grid as a picture: the last two axes; of more, the middle of the first ones.
std::pair<std::int64_t, std::int64_t> extent_of(const TokenGrid& grid) {
  const auto& extent = grid.extent;
  return {extent.size() > 1 ? extent[extent.size() - 2] : 1, extent.empty() ? 1 : extent.back()};
}

/// One value a token, [N,...], as a picture [H,W,...].
at::Tensor as_picture(const at::Tensor& tokens, const TokenGrid& grid) {
  const auto [height, width] = extent_of(grid);
  const std::int64_t slices = tokens.size(0) / (height * width);
  return tokens.narrow(0, slices / 2 * height * width, height * width).unflatten(0, {height, width});
}

/// Brightness of each pixel of a picture from that of each token, [H,W,1].
at::Tensor spread(const at::Tensor& tokens, const TokenGrid& grid, const at::Tensor& picture) {
  const at::Tensor map = as_picture(tokens, grid);
  const auto along = [](std::int64_t pixels, std::int64_t cells) {
    return (at::arange(pixels, at::kLong) * cells).div(pixels, "floor");
  };
  return map.index_select(0, along(picture.size(0), map.size(0)))
      .index_select(1, along(picture.size(1), map.size(1)))
      .unsqueeze(2);
}

/// The first `count` principal directions of rows [M,D], as scores [M,count] between -1 and 1.
at::Tensor principal(const at::Tensor& rows, std::int64_t count) {
  const at::Tensor centred = (rows - rows.mean(0)).to(at::kDouble);
  const auto [values, vectors] = at::linalg_eigh(at::mm(centred.t(), centred));
  const std::int64_t available = std::min(count, vectors.size(1));
  at::Tensor scores = at::mm(centred, vectors.narrow(1, vectors.size(1) - available, available).flip(1));
  if (available < count) scores = at::constant_pad_nd(scores, {0, count - available});
  return (scores / (3.0 * scores.std(0, /*unbiased=*/false) + 1e-12)).clamp(-1.0, 1.0);
}

/// A sample [C,...] (0 .. 1) as the picture whose rows and columns are its last two axes: of more, the middle of the
/// first.
at::Tensor picture_of(const at::Tensor& shown, const std::vector<Axis>& axes) {
  at::Tensor colours = colourise(shown, axes);
  while (colours.dim() > 3) colours = colours.select(1, colours.size(1) / 2);
  if (colours.dim() == 2) colours = colours.unsqueeze(1);
  return colours.permute({1, 2, 0}).mul(255.0).clamp(0, 255).to(at::kByte);
}

/// A picture with tokens of weight 0 to 1 [N] tinted orange.
at::Tensor tinted(const at::Tensor& picture, const at::Tensor& weight, const TokenGrid& grid) {
  const at::Tensor colours = picture.to(at::kFloat), tint = at::tensor({249.0F, 115.0F, 22.0F});
  const at::Tensor mix = 0.8 * spread(weight, grid, colours);
  return colours * (1.0 - mix) + tint * mix;
}

/// What the samples look like and what the encoder makes of them.
struct Looked {
  std::vector<at::Tensor> pictures;  // [H,W,3] each
  at::Tensor tokens;                 // [kShown,N,D]
  at::Tensor all_tokens;             // [M,N*D]; undefined where they are too many to learn from
  std::optional<Energy> energy;      // of the first samples
  at::Tensor features;               // [M,D]
  at::Tensor labels;                 // [M]
  TokenGrid grid;
};

Looked look(const OpenedRun& run, const SampleSource& source, at::Device device) {
  const at::NoGradGuard no_grad;
  const Modality& modality = *run.parts->modality;
  const auto chosen =
      choose_samples(source.size(), kSamples, run.experiment.seed, static_cast<std::uint64_t>(Split::test));
  SampleReader reader(modality, source, chosen, run.experiment.evaluate.batch_size, run.experiment.seed);
  Looked seen;
  std::vector<at::Tensor> features, labels, tokens;
  reader.visit(device, run.experiment.train.workers, [&](const Batch& batch, std::span<const std::int64_t>) {
    const View& view = batch.views.front();
    const Encoded encoded = run.branch().encoder().encode(view, {});
    if (!seen.tokens.defined()) {
      seen.tokens = encoded.tokens.narrow(0, 0, std::min(kShown, batch.size())).to(at::kCPU, at::kFloat);
      seen.grid = view.grid;
      if (has_energy(*run.parts)) seen.energy = measure_energy(*run.parts, batch, {kPlans, run.experiment.seed});
    }
    if (encoded.tokens[0].numel() * static_cast<std::int64_t>(chosen.size()) <= kMostValues)
      tokens.push_back(encoded.tokens.flatten(1).to(at::kCPU, at::kFloat));
    features.push_back(encoded.pooled.to(at::kCPU, at::kFloat));
    labels.push_back(batch.label.cpu());
    const at::Tensor shown = modality.display(view).to(at::kCPU, at::kFloat);
    for (std::int64_t row = 0; row < batch.size(); ++row)
      seen.pictures.push_back(thumbnail(picture_of(shown[row], view.grid.axes)));
  });
  if (features.empty()) return seen;
  if (!tokens.empty()) seen.all_tokens = at::cat(tokens);
  seen.features = at::cat(features);
  seen.labels = at::cat(labels);
  return seen;
}

Json token_maps(const Looked& seen) {
  const at::Tensor colours = 127.5 * (principal(seen.tokens.flatten(0, 1), 3) + 1.0);
  Json out = Json::array();
  for (std::int64_t i = 0; i < seen.tokens.size(0); ++i) {
    const std::int64_t count = seen.tokens.size(1);
    out.push_back(
        image_json(fmt::format("sample {}", i + 1), as_picture(colours.narrow(0, i * count, count), seen.grid)));
  }
  return out;
}

/// What a plan of the run's masker shows and asks: seen tokens bright, asked ones orange, the rest dark.
Json masks(const OpenedRun& run, const Looked& seen) {
  const auto views = run.parts->modality->views(Purpose::pretrain);
  if (views.empty() || views.front().grid.extent != seen.grid.extent) return Json::array();
  const std::int64_t rows = std::min<std::int64_t>(kShown, static_cast<std::int64_t>(seen.pictures.size()));
  Rng rng(run.experiment.seed, Stream::plan);
  const Plan plan = run.parts->masker->plan(views, rows, Progress{}, rng);
  Json out = Json::array();
  for (std::int64_t i = 0; i < rows; ++i) {
    at::Tensor bright = at::full({seen.grid.count()}, kHidden), asked = at::zeros({seen.grid.count()});
    for (const Context& context : plan.contexts) {
      if (context.view != 0) continue;
      if (context.visible.all()) {
        bright.fill_(1.0);
      } else {
        bright.index_fill_(0, context.visible.index[i], 1.0);
      }
    }
    for (const Query& query : plan.queries)
      if (query.view == 0 && !query.where.all()) asked.index_fill_(0, query.where.index[i], 1.0);
    const at::Tensor picture = seen.pictures[static_cast<std::size_t>(i)].to(at::kFloat);
    out.push_back(image_json(fmt::format("sample {}", i + 1),
                             tinted(picture * spread(bright, seen.grid, picture), asked, seen.grid)));
  }
  return out;
}

Json neighbours(const Looked& seen, std::int64_t query) {
  const at::Tensor unit = seen.features / seen.features.norm(2, 1, true).clamp_min(1e-12);
  at::Tensor cosine = at::mv(unit, unit[query]);
  const at::Tensor order = cosine.argsort(/*dim=*/0, /*descending=*/true);
  Json out = Json::array();
  for (std::int64_t i = 0; i <= std::min(kNear, order.size(0) - 1); ++i) {
    const std::int64_t row = order[i].item<std::int64_t>();
    out.push_back(image_json(i == 0 ? "asked" : fmt::format("{:.2f}", cosine[row].item<double>()),
                             seen.pictures[static_cast<std::size_t>(row)]));
  }
  return out;
}

/// Where the model is surprised: the more a token differs from what was expected, the more orange.
Json energy_maps(const Looked& seen) {
  const at::Tensor map = at::nan_to_num(seen.energy->of_token.narrow(0, 0, seen.tokens.size(0)));
  const at::Tensor weight = (map / map.max().clamp_min(1e-12)).clamp(0.0, 1.0);
  Json out = Json::array();
  for (std::int64_t i = 0; i < map.size(0); ++i)
    out.push_back(image_json(fmt::format("{:.3g}", seen.energy->of_sample[i].item<double>()),
                             tinted(seen.pictures[static_cast<std::size_t>(i)], weight[i], seen.grid)));
  return out;
}

/// The part of a picture that a token of a grid of two axes stands for.
at::Tensor cut_out(const at::Tensor& picture, const TokenGrid& grid, std::int64_t token) {
  const std::int64_t rows = grid.extent[0], columns = grid.extent[1];
  const std::int64_t height = picture.size(0) / rows, width = picture.size(1) / columns;
  return picture.narrow(0, token / columns * height, height).narrow(1, token % columns * width, width).contiguous();
}

/// For the most surprising token of a few samples: what is there, and the real patches nearest to what was expected.
Json expectations(const Looked& seen) {
  Json out = Json::array();
  const auto patch = [&](const TokenPlace& place) {
    return cut_out(seen.pictures[static_cast<std::size_t>(place.row)], seen.grid, place.token);
  };
  for (std::int64_t i = 0; i < std::min(kQueries, seen.tokens.size(0)); ++i) {
    const TokenPlace place{i, at::nan_to_num(seen.energy->of_token[i], -1.0).argmax().item<std::int64_t>()};
    const at::Tensor mark = at::zeros({seen.grid.count()}).index_fill_(0, at::tensor(place.token), 1.0);
    out.push_back(image_json(fmt::format("sample {}", i + 1),
                             tinted(seen.pictures[static_cast<std::size_t>(i)], mark, seen.grid)));
    out.push_back(image_json("there", patch(place)));
    for (const TokenPlace& found : retrieve(*seen.energy, place, kNear))
      out.push_back(image_json("expected", patch(found)));
  }
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
    out.push_back(image_json(
        fmt::format("sample {}", i + 1),
        tinted(seen.pictures[static_cast<std::size_t>(i)], looks[i] / looks[i].max().clamp_min(1e-12), seen.grid)));
  return out;
}

}  // namespace

Json run_views(const OpenedRun& run, at::Device device) {
  auto source = run.parts->modality->open(Split::test, Purpose::evaluate);
  if (!source) source = run.parts->modality->open(Split::train, Purpose::evaluate);
  if (!source || source->size() < 2) return nullptr;
  const Looked seen = look(run, *source, device);
  if (!seen.features.defined() || seen.features.size(0) < 2 || !at::isfinite(seen.features).all().item<bool>())
    return nullptr;
  Json out = {{"pictures", Json::object()}, {"scatter", Json::array()}};
  Json& pictures = out["pictures"];
  for (std::int64_t i = 0; i < std::min<std::int64_t>(kShown, static_cast<std::int64_t>(seen.pictures.size())); ++i)
    pictures["inputs"].push_back(
        image_json(fmt::format("sample {}", i + 1), seen.pictures[static_cast<std::size_t>(i)]));
  if (Json hidden = masks(run, seen); !hidden.empty())
    pictures["seen (bright) and asked about (orange)"] = std::move(hidden);
  if (seen.grid.count() > 1 && seen.tokens.size(1) == seen.grid.count())
    pictures["tokens as colours"] = token_maps(seen);
  if (seen.energy && seen.energy->of_token.size(1) == seen.grid.count()) {
    pictures["energy: where the model is surprised (orange), with the mean of the sample"] = energy_maps(seen);
    if (seen.grid.extent.size() == 2)
      pictures["most surprising patches, what is there, and the patches nearest to what was expected"] =
          expectations(seen);
  }
  if (seen.all_tokens.defined() && seen.tokens.size(1) == seen.grid.count())
    if (Json looks = attention_maps(seen); !looks.empty())
      pictures["where the query of an attentive probe looks (orange)"] = std::move(looks);
  for (std::int64_t query = 0; query < std::min(kQueries, seen.features.size(0)); ++query)
    pictures[fmt::format("nearest neighbours of sample {}, with the cosine of the pooled features", query + 1)] =
        neighbours(seen, query);
  const at::Tensor place = principal(seen.features, 2);
  for (std::int64_t row = 0; row < place.size(0); ++row)
    out["scatter"].push_back({std::round(1e3 * place[row][0].item<double>()) / 1e3,
                              std::round(1e3 * place[row][1].item<double>()) / 1e3,
                              seen.labels[row].item<std::int64_t>()});
  return out;
}

}  // namespace cairn::cli
