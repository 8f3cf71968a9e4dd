#include "report/preview.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <vector>

#include "data/plan_check.h"
#include "report/picture.h"

namespace cairn {
namespace {

const View& view_of(const Batch& batch, int view) { return batch.views.at(static_cast<std::size_t>(view)); }

/// Row `row` of a view in colours, [3,...].
at::Tensor in_colours(const Modality& modality, const View& view, std::int64_t row) {
  const View single{view.data.narrow(0, row, 1), view.grid, view.role};
  return colourise(modality.display(single)[0].cpu(), view.grid.axes);
}

}  // namespace

at::Tensor preview_sheet(const Modality& modality, const Batch& batch, const Plan& plan, std::int64_t row) {
  std::vector<at::Tensor> pictures;
  for (const View& view : batch.views)
    pictures.push_back(flatten_picture(in_colours(modality, view, row), view.grid.axes));
  for (std::size_t c = 0; c < plan.contexts.size(); ++c) {
    const View& view = view_of(batch, plan.contexts[c].view);
    const at::Tensor seen = context_colours(in_colours(modality, view, row), view.grid, plan, c, row);
    pictures.push_back(flatten_picture(seen, view.grid.axes));
  }
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
    const TokenGrid& grid = view_of(batch, seen.view).grid;
    at::Tensor& data = masked.views.at(static_cast<std::size_t>(seen.view)).data;
    const at::Tensor light = seen_places(seen, row, grid, data.sizes().slice(2)).to(data.device());
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
    text += fmt::format("context {} of view {}: sees {} of {} tokens", c, seen.view,
                        count_text(seen.visible, view.grid), view.grid.count());
    for (const Query& query : plan.queries)
      if (query.context == static_cast<int>(c))
        text += query.level == Level::pooled
                    ? fmt::format("; asked about view {} as a whole", query.view)
                    : fmt::format("; asked about {} of view {}",
                                  count_text(query.where, view_of(batch, query.view).grid), query.view);
    text += '\n';
  }
  return text;
}

}  // namespace cairn
