#include "report/picture.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#include <stb/stb_image_write.h>

namespace cairn {
namespace {

constexpr std::int64_t kSmallestSide = 160;
constexpr std::int64_t kMargin = 4;
constexpr std::int64_t kBandHeight = 24;
constexpr int kPaper = 255;
constexpr double kUnseen = 0.15;  // brightness of what the student does not see
constexpr double kTint = 0.55;    // share of a query's colour at the places asked about

bool has(const std::vector<Axis>& axes, Axis axis) { return std::find(axes.begin(), axes.end(), axis) != axes.end(); }

/// Values 0 .. 1 to colours from dark violet to light yellow, near matplotlib's magma; [...] to [3,...].
at::Tensor heat(const at::Tensor& values) {
  const at::Tensor v = values.clamp(0, 1);
  return at::stack(
      {(1.6 * v).clamp_max(1), (v * v * 0.98), (0.25 + 1.4 * v * (1 - v) + 0.5 * v.pow(4)).clamp_max(0.75)});
}

/// [K,H,W] with frequency upwards and time to the right.
at::Tensor upright(const at::Tensor& values, const std::vector<Axis>& axes) {
  if (axes[0] == Axis::time && axes[1] == Axis::frequency) return values.transpose(1, 2).flip(1);
  if (axes[0] == Axis::frequency) return values.flip(1);
  return values;
}

/// [K,T,H,W] to [K,H,n*W], evenly chosen frames beside each other.
at::Tensor strip(const at::Tensor& values, std::int64_t frames) {
  const std::int64_t all = values.size(1), shown = std::min(frames, all);
  std::vector<at::Tensor> parts;
  for (std::int64_t i = 0; i < shown; ++i) parts.push_back(values.select(1, i * all / shown));
  return at::cat(parts, 2);
}

at::Tensor enlarge(const at::Tensor& picture) {
  const std::int64_t factor = std::max<std::int64_t>(1, kSmallestSide / std::min(picture.size(1), picture.size(2)));
  return picture.repeat_interleave(factor, 1).repeat_interleave(factor, 2);
}

void append(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

}  // namespace

Colour query_colour(std::size_t number) {
  static constexpr Colour kColours[] = {{0.95, 0.45, 0.15}, {0.15, 0.55, 0.95}, {0.25, 0.75, 0.35},
                                        {0.85, 0.30, 0.75}, {0.95, 0.80, 0.20}, {0.20, 0.80, 0.80}};
  return kColours[number % std::size(kColours)];
}

at::Tensor colourise(const at::Tensor& shown, const std::vector<Axis>& axes) {
  if (axes.size() == 1) return heat(shown.unsqueeze(0)).squeeze(1);
  if (has(axes, Axis::frequency)) return heat(shown.mean(0));
  if (shown.size(0) == 3) return shown;
  return shown.mean(0, true).expand(shown.sizes().size() == 4 ? at::IntArrayRef({3, -1, -1, -1})
                                                              : at::IntArrayRef({3, -1, -1}));
}

at::Tensor spread_tokens(const at::Tensor& values, const TokenGrid& grid, at::IntArrayRef size) {
  at::Tensor places = values.reshape(grid.extent);
  for (std::size_t a = 0; a < grid.extent.size(); ++a)
    places = places.repeat_interleave(size[a] / grid.extent[a], static_cast<std::int64_t>(a));
  return places;
}

at::Tensor token_places(const TokenSet& tokens, std::int64_t row, const TokenGrid& grid, at::IntArrayRef size) {
  at::Tensor places = at::full({grid.count()}, tokens.all() ? 1.0 : 0.0);
  if (!tokens.all()) places.index_fill_(0, tokens.index[row].cpu(), 1);
  return spread_tokens(places, grid, size);
}

at::Tensor seen_places(const Context& context, std::int64_t row, const TokenGrid& grid, at::IntArrayRef size) {
  const at::Tensor visible = token_places(context.visible, row, grid, size);
  return context.masked.all() ? visible : visible * (1 - token_places(context.masked, row, grid, size));
}

at::Tensor mix_in(const at::Tensor& colours, const Colour& colour, const at::Tensor& share) {
  std::vector<std::int64_t> broadcast(static_cast<std::size_t>(colours.dim()), 1);
  broadcast[0] = 3;
  const at::Tensor tint = at::tensor({colour[0], colour[1], colour[2]}).to(at::kFloat).view(broadcast);
  return at::lerp(colours, tint.expand_as(colours), share);
}

at::Tensor context_colours(const at::Tensor& colours, const TokenGrid& grid, const Plan& plan, std::size_t context,
                           std::int64_t row) {
  const Context& seen = plan.contexts[context];
  const at::IntArrayRef size = colours.sizes().slice(static_cast<std::size_t>(colours.dim()) - grid.extent.size());
  const at::Tensor light = seen_places(seen, row, grid, size);
  at::Tensor out = colours * (kUnseen + (1 - kUnseen) * light);
  for (std::size_t q = 0; q < plan.queries.size(); ++q) {
    const Query& query = plan.queries[q];
    if (query.context != static_cast<int>(context) || query.view != seen.view || query.level == Level::pooled) continue;
    const at::Tensor asked = token_places(query.where, row, grid, size);
    out = mix_in(out, query_colour(q), kTint * (query.seen_too ? asked * (1 - light) : asked));
  }
  return out;
}

at::Tensor lay_flat(const at::Tensor& values, const std::vector<Axis>& axes, std::int64_t frames) {
  if (axes.size() == 3) return strip(values, frames);
  if (axes.size() == 2) return upright(values, axes);
  return (values.dim() == 2 ? values.unsqueeze(1) : values).repeat_interleave(kBandHeight, 1);
}

at::Tensor as_bytes(const at::Tensor& colours) {
  return colours.mul(255).round().clamp(0, 255).to(at::kByte).permute({1, 2, 0}).contiguous();
}

at::Tensor flatten_picture(const at::Tensor& colours, const std::vector<Axis>& axes, std::int64_t frames) {
  return as_bytes(enlarge(lay_flat(colours, axes, frames)));
}

at::Tensor sheet(std::span<const at::Tensor> pictures) {
  if (pictures.empty()) throw Error("there is no picture to put on a sheet");
  const bool wide = pictures.front().size(1) > pictures.front().size(0) * 3 / 2;
  const std::int64_t across = wide ? 1 : 0, along = wide ? 0 : 1;
  std::int64_t breadth = 0, length = kMargin;
  for (const at::Tensor& picture : pictures) {
    breadth = std::max(breadth, picture.size(across) + 2 * kMargin);
    length += picture.size(along) + kMargin;
  }
  const auto bytes = at::TensorOptions().dtype(at::kByte);
  at::Tensor out =
      at::full(wide ? at::IntArrayRef({length, breadth, 3}) : at::IntArrayRef({breadth, length, 3}), kPaper, bytes);
  std::int64_t start = kMargin;
  for (const at::Tensor& picture : pictures) {
    out.narrow(along, start, picture.size(along)).narrow(across, kMargin, picture.size(across)).copy_(picture);
    start += picture.size(along) + kMargin;
  }
  return out;
}

std::string png(const at::Tensor& picture) {
  const at::Tensor bytes = picture.to(at::kCPU, at::kByte).contiguous();
  const int height = static_cast<int>(bytes.size(0)), width = static_cast<int>(bytes.size(1));
  std::string file;
  if (stbi_write_png_to_func(append, &file, width, height, 3, bytes.const_data_ptr<std::uint8_t>(), 3 * width) == 0)
    throw Error("the picture cannot be encoded");
  return file;
}

void write_png(const std::filesystem::path& path, const at::Tensor& picture) {
  write_file_atomically(path, png(picture));
}

}  // namespace cairn
