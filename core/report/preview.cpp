#include "report/preview.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "report/picture.h"

namespace cairn {
namespace {

constexpr double kUnseen = 0.15;  // brightness of what the student does not see
constexpr double kTint = 0.55;    // share of a query's colour at the places asked about

const View& view_of(const Batch& batch, int view) { return batch.views.at(static_cast<std::size_t>(view)); }

/// Row `row` of a view in colours, [3,...].
at::Tensor in_colours(const Modality& modality, const View& view, std::int64_t row) {
  const View single{view.data.narrow(0, row, 1), view.grid, view.role};
  return colourise(modality.display(single)[0].cpu(), view.grid.axes);
}

at::Tensor places(const TokenSet& tokens, std::int64_t row, const View& view) {
  return token_places(tokens, row, view.grid, view.data.sizes().slice(2));
}

/// 1 where a context sees its view, else 0.
at::Tensor seen_places(const Context& seen, std::int64_t row, const View& view) {
  const at::Tensor visible = places(seen.visible, row, view);
  return seen.masked.all() ? visible : visible * (1 - places(seen.masked, row, view));
}

/// A context's view: the seen as it is, the hidden dark, the asked places of its queries tinted.
at::Tensor context_picture(const Modality& modality, const Batch& batch, const Plan& plan, std::size_t context,
                           std::int64_t row) {
  const Context& seen = plan.contexts[context];
  const View& view = view_of(batch, seen.view);
  const at::Tensor light = seen_places(seen, row, view);
  at::Tensor colours = in_colours(modality, view, row) * (kUnseen + (1 - kUnseen) * light);
  for (std::size_t q = 0; q < plan.queries.size(); ++q) {
    const Query& query = plan.queries[q];
    if (query.context != static_cast<int>(context) || query.view != seen.view || query.level == Level::pooled) continue;
    const Colour colour = query_colour(q);
    std::vector<std::int64_t> broadcast(static_cast<std::size_t>(colours.dim()), 1);
    broadcast[0] = 3;
    const at::Tensor tint = at::tensor({colour[0], colour[1], colour[2]}).to(at::kFloat).view(broadcast);
    colours = at::lerp(colours, tint.expand_as(colours), kTint * places(query.where, row, view));
  }
  return colours;
}

std::int64_t count(const TokenSet& tokens, const View& view) {
  return tokens.all() ? view.grid.count() : tokens.index.size(1);
}

}  // namespace

at::Tensor preview_sheet(const Modality& modality, const Batch& batch, const Plan& plan, std::int64_t row) {
  std::vector<at::Tensor> pictures;
  for (const View& view : batch.views)
    pictures.push_back(flatten_picture(in_colours(modality, view, row), view.grid.axes));
  for (std::size_t c = 0; c < plan.contexts.size(); ++c)
    pictures.push_back(flatten_picture(context_picture(modality, batch, plan, c, row),
                                       view_of(batch, plan.contexts[c].view).grid.axes));
  return sheet(pictures);
}

std::vector<std::filesystem::path> preview_renditions(const Modality& modality, const Batch& batch, const Plan& plan,
                                                      std::int64_t row, const std::filesystem::path& stem) {
  std::vector<std::filesystem::path> written;
  const auto write = [&](const Batch& shown, int view, const std::string& part) {
    auto path = modality.render(shown, view, row, stem.string() + "." + part);
    if (path) written.push_back(std::move(*path));
  };
  for (std::size_t v = 0; v < batch.views.size(); ++v) write(batch, static_cast<int>(v), fmt::format("view-{}", v));
  for (std::size_t c = 0; c < plan.contexts.size(); ++c) {
    const Context& seen = plan.contexts[c];
    Batch masked = batch;
    at::Tensor& data = masked.views.at(static_cast<std::size_t>(seen.view)).data;
    const at::Tensor light = seen_places(seen, row, view_of(batch, seen.view)).to(data.device());
    data = at::where(light.gt(0), data, data[row].amin());
    write(masked, seen.view, fmt::format("context-{}", c));
  }
  return written;
}

std::string preview_legend(const Batch& batch, const Plan& plan) {
  std::string text;
  for (std::size_t v = 0; v < batch.views.size(); ++v)
    text += fmt::format("view {}: {} tokens ({})\n", v, batch.views[v].grid.count(), batch.views[v].grid.text());
  for (std::size_t c = 0; c < plan.contexts.size(); ++c) {
    const Context& seen = plan.contexts[c];
    const View& view = view_of(batch, seen.view);
    text += fmt::format("context {} of view {}: sees {} of {} tokens", c, seen.view, count(seen.visible, view),
                        view.grid.count());
    for (const Query& query : plan.queries)
      if (query.context == static_cast<int>(c))
        text += query.level == Level::pooled ? fmt::format("; asked about view {} as a whole", query.view)
                                             : fmt::format("; asked about {} of view {}",
                                                           count(query.where, view_of(batch, query.view)), query.view);
    text += '\n';
  }
  return text;
}

}  // namespace cairn
