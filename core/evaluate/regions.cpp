#include "evaluate/regions.h"

#include <ATen/ATen.h>

#include <map>

#include "cairn/error.h"
#include "evaluate/embedding.h"

namespace cairn {
namespace {

constexpr std::int64_t kPoints = 2;  // along each side of a cell
enum GridSample : std::int64_t { kBilinear = 0, kBorder = 1 };

/// Tokens as [B,D,H,W], the mean over all other axes.
at::Tensor picture_of(const at::Tensor& tokens, const TokenGrid& grid) {
  at::Tensor lattice = token_lattice(tokens, grid, "--task boxes needs");
  bool has_height = false, has_width = false;
  for (std::size_t axis = grid.axes.size(); axis-- > 0;) {
    has_height = has_height || grid.axes[axis] == Axis::height;
    has_width = has_width || grid.axes[axis] == Axis::width;
    if (grid.axes[axis] == Axis::height || grid.axes[axis] == Axis::width) continue;
    lattice = lattice.mean(static_cast<std::int64_t>(axis) + 2);
  }
  if (!has_height || !has_width)
    throw Error("boxes lie in pictures, and these data have no height and width", "", "leave out --task boxes");
  return lattice;
}

/// Places of `count` points in the middles of equal parts of each of the ranges, [K,count], as grid_sampler counts: -1
/// and 1 are the edges of the picture.
at::Tensor points_between(const at::Tensor& low, const at::Tensor& high, std::int64_t count) {
  const at::Tensor part = (at::arange(count, low.options()) + 0.5) / static_cast<double>(count);
  return 2.0 * (low.unsqueeze(1) + (high - low).unsqueeze(1) * part) - 1.0;
}

}  // namespace

Regions regions_of(const Batch& batch) {
  const auto boxes = batch.extra.find("boxes"), labels = batch.extra.find("box_labels");
  if (boxes == batch.extra.end() || labels == batch.extra.end())
    throw DataError("samples carry no boxes", "", "choose data with boxes: --data, and a --modality that reads it");
  const at::Tensor there = at::isfinite(boxes->second).all(2).nonzero();  // [K,2]
  const at::Tensor row = there.select(1, 0), place = there.select(1, 1);
  return {row, boxes->second.index({row, place}).to(at::kFloat), labels->second.index({row, place}).to(at::kFloat)};
}

at::Tensor align_regions(const at::Tensor& tokens, const TokenGrid& grid, const Regions& regions, std::int64_t side) {
  const at::Tensor picture = picture_of(tokens, grid).to(at::kFloat), edges = regions.edges;
  const std::int64_t boxes = edges.size(0), points = kPoints * side;
  const at::Tensor x = points_between(edges.select(1, 0), edges.select(1, 2), points);
  const at::Tensor y = points_between(edges.select(1, 1), edges.select(1, 3), points);
  const at::Tensor where = at::stack({x.unsqueeze(1).expand({boxes, points, points}),  // across first, as it is wanted
                                      y.unsqueeze(2).expand({boxes, points, points})},
                                     3);
  const at::Tensor read = at::grid_sampler_2d(picture.index_select(0, regions.row), where, kBilinear, kBorder,
                                              /*align_corners=*/false);
  return at::avg_pool2d(read, kPoints).flatten(2).transpose(1, 2);
}

EmbedRegions region_embedding(Branch& branch, bool cells) {
  return [&branch, cells](const View& view, const Regions& regions) {
    const at::Tensor aligned = align_regions(branch.encoder().encode(view, {}).tokens, view.grid, regions);
    return cells ? aligned.flatten(1) : aligned.amax(1);
  };
}

RegionFeatures collect_regions(SampleReader& reader, const EmbedRegions& embed, at::Device device,
                               std::int64_t workers) {
  const at::NoGradGuard no_grad;
  RegionFeatures out;
  std::vector<at::Tensor> rows, labels;
  out.features.unreadable = reader.visit(device, workers, [&](const Batch& batch, std::span<const std::int64_t> index) {
    const Regions regions = regions_of(batch);
    rows.push_back(embed(batch.views.front(), regions).to(at::kCPU, at::kFloat));
    labels.push_back(regions.labels.cpu());
    const at::Tensor row = regions.row.cpu(), edges = regions.edges.to(at::kCPU, at::kDouble).contiguous();
    for (std::int64_t k = 0; k < row.size(0); ++k) {
      const std::int64_t sample = index[static_cast<std::size_t>(row[k].item<std::int64_t>())];
      const double* edge = edges.const_data_ptr<double>() + 4 * k;
      out.features.index.push_back(sample);
      out.boxes.push_back({sample, {edge[0], edge[1], edge[2], edge[3]}});
    }
  });
  if (out.boxes.empty()) return out;
  out.features.x = at::cat(rows);
  out.features.y = at::cat(labels);
  return out;
}

Interval frame_map_interval(const std::vector<FrameBox>& boxes, const at::Tensor& answers, const at::Tensor& truth,
                            std::uint64_t seed) {
  std::map<std::int64_t, std::vector<std::int64_t>> by_frame;
  for (std::size_t i = 0; i < boxes.size(); ++i) by_frame[boxes[i].frame].push_back(static_cast<std::int64_t>(i));
  std::vector<std::vector<std::int64_t>> frames;
  for (auto& [frame, rows] : by_frame) frames.push_back(std::move(rows));
  const auto score = [&](std::span<const std::int64_t> drawn) {
    std::vector<std::int64_t> rows;
    std::vector<FrameBox> found;
    for (std::size_t i = 0; i < drawn.size(); ++i)  // a frame drawn twice is two frames
      for (const std::int64_t row : frames[static_cast<std::size_t>(drawn[i])]) {
        rows.push_back(row);
        found.push_back({static_cast<std::int64_t>(i), boxes[static_cast<std::size_t>(row)].edges});
      }
    const at::Tensor index = at::tensor(rows, at::kLong);
    return frame_map(found, answers.index_select(0, index), found, truth.index_select(0, index));
  };
  return bootstrap_draws(static_cast<std::int64_t>(frames.size()), score, seed);
}

}  // namespace cairn
