#include "kernels/half_linear.h"

#include <algorithm>

#include "kernels/bfloat16_rows.h"
#include "kernels/gelu_rows.h"
#include "kernels/half_matrices.h"
#include "kernels/half_product.h"
#include "kernels/scratch.h"
#include "kernels/softmax_rows.h"
#include "kernels/split_work.h"

namespace cairn::kernels {
namespace {

using Half = std::uint16_t;

constexpr std::int64_t kFewestRows = 128;  // that are worth packing a weight for
constexpr std::int64_t kTileRows = 64;     // of a tile of the output
constexpr std::int64_t kPanel = 256;       // columns that are packed one behind the other, and those of a tile
constexpr std::int64_t kSummed = 512;      // rows that a weight's gradient sums over at a time

/// work(first, columns) for every panel of `width` columns.
template <class Work>
void for_panels(std::int64_t width, Work&& work) {
  for (std::int64_t first = 0; first < width; first += kPanel) work(first, std::min(kPanel, width - first));
}

/// a [rows,inner] by a matrix [inner,width] in panels of pairs of rows.
struct TiledProduct {
  const Half* a = nullptr;
  const Half* panels = nullptr;
  std::int64_t rows = 0, inner = 0, width = 0;
};

/// Where a tile lies in the output.
struct Tile {
  std::int64_t row = 0, column = 0;
  StridedRows shape;  // `width` columns of the output's, which are the stride

  std::int64_t place() const { return row * shape.stride + column; }
};

/// finish(sums, tile) for every tile of the product, while its dense sums lie in the caches.
template <class Finish>
void multiply_tiles(const TiledProduct& all, Finish&& finish) {
  // Threads share steps, not tiles: of few rows one would get a whole tile more.
  split_work(whole_steps(all.rows) / kHalfStep, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    const HalfProducts products;
    Scratch<float> sums(kTileRows * kPanel);
    Scratch<Half> last(kTileRows * all.inner);
    const std::int64_t first_row = begin * kHalfStep, end_row = std::min(end * kHalfStep, all.rows);
    for_panels(all.width, [&](std::int64_t first, std::int64_t columns) {
      for (std::int64_t row = first_row; row < end_row; row += kTileRows) {
        const std::int64_t rows = std::min(kTileRows, end_row - row), filled = whole_steps(rows);
        const Half* from = all.a + row * all.inner;
        if (filled != rows) {
          gather_rows(from, {rows, all.inner, all.inner}, last.data(), {filled, all.inner});
          from = last.data();
        }
        multiply(from, all.panels + first * all.inner, sums.data(), {filled, columns, all.inner, all.inner, columns});
        finish(sums.data(), Tile{row, first, {rows, columns, all.width}});
      }
    });
  });
}

void narrow_tile(const float* sums, const Tile& tile, Half* out) {
  narrow_rows(sums, tile.shape.width, out + tile.place(), tile.shape);
}

/// The transpose of a weight in panels.
Scratch<Half> turned_weight(const Half* weight, const LinearShape& shape) {
  Scratch<Half> panels(shape.out * shape.in);
  split_work(shape.out / kHalfStep, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin * kHalfStep; row < end * kHalfStep; row += kHalfStep) {
      const std::int64_t panel = row / kPanel * kPanel, columns = std::min(kPanel, shape.out - panel);
      turn(weight + row * shape.in, {kHalfStep, shape.in / 2, shape.in / 2},
           panels.data() + panel * shape.in + 2 * (row - panel), columns);
    }
  });
  return panels;
}

/// A weight in panels as it is.
Scratch<Half> paired_weight(const Half* weight, const LinearShape& shape) {
  Scratch<Half> panels(shape.out * shape.in);
  split_work(shape.out / kHalfStep, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin * kHalfStep; row < end * kHalfStep; row += kHalfStep)
      for_panels(shape.in, [&](std::int64_t first, std::int64_t columns) {
        pair_rows(weight + row * shape.in + first, {kHalfStep, columns, shape.in},
                  panels.data() + first * shape.out + row * columns, kHalfStep);
      });
  });
  return panels;
}

/// A part of a weight's gradient: outputs from `out` on, inputs from `in` on.
struct GradientPart {
  std::int64_t out = 0, outs = 0;
  std::int64_t in = 0, ins = 0;
};

void sum_part(const Half* of_out, const Half* x, float* of_weight, const LinearShape& shape, const GradientPart& part,
              bool adds) {
  const HalfProducts products;
  Scratch<Half> turned(kPanel * kSummed), pairs(part.ins * kSummed);
  for (std::int64_t row = 0; row < shape.rows; row += kSummed, adds = true) {
    const std::int64_t rows = std::min(kSummed, shape.rows - row), filled = whole_steps(rows);
    pair_rows(x + row * shape.in + part.in, {rows, part.ins, shape.in}, pairs.data(), filled);
    for_panels(part.outs, [&](std::int64_t first, std::int64_t outs) {
      const std::int64_t out = part.out + first;
      turn_rows(of_out + row * shape.out + out, {rows, outs, shape.out}, turned.data(), filled);
      multiply(turned.data(), pairs.data(), of_weight + out * shape.in + part.in,
               {outs, part.ins, filled, filled, shape.in, adds});
    });
  }
}

}  // namespace

bool has_half_linear(const LinearShape& shape) {
  return shape.rows >= kFewestRows && shape.in > 0 && shape.out > 0 && shape.in % kHalfStep == 0 &&
         shape.out % kHalfStep == 0;
}

void half_linear(const Half* x, const Half* weight, const float* bias, Half* out, const LinearShape& shape) {
  Scratch<Half> panels = turned_weight(weight, shape);
  multiply_tiles({x, panels.data(), shape.rows, shape.in, shape.out}, [&](float* sums, const Tile& tile) {
    const std::int64_t columns = tile.shape.width;
    if (bias) shift_rows(sums, bias + tile.column, {tile.shape.rows, columns, columns});
    narrow_tile(sums, tile, out);
  });
}

void half_linear_gelu(const Half* x, const Half* weight, const float* bias, Half* out, Half* slope,
                      const LinearShape& shape) {
  Scratch<Half> panels = turned_weight(weight, shape);
  multiply_tiles({x, panels.data(), shape.rows, shape.in, shape.out}, [&](const float* sums, const Tile& tile) {
    Half* slope_there = slope ? slope + tile.place() : nullptr;
    gelu_rows({sums, bias + tile.column, out + tile.place(), slope_there}, tile.shape);
  });
}

void half_input_gradient(const Half* of_out, const Half* weight, Half* of_x, const LinearShape& shape) {
  Scratch<Half> panels = paired_weight(weight, shape);
  multiply_tiles({of_out, panels.data(), shape.rows, shape.out, shape.in},
                 [&](const float* sums, const Tile& tile) { narrow_tile(sums, tile, of_x); });
}

void half_weight_gradient(const Half* of_out, const Half* x, float* of_weight, const LinearShape& shape, bool adds) {
  const bool has_more_outputs = shape.out >= shape.in;
  split_work(std::max(shape.out, shape.in) / kHalfStep, /*grain=*/1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = begin * kHalfStep, size = (end - begin) * kHalfStep;
    const GradientPart part =
        has_more_outputs ? GradientPart{first, size, 0, shape.in} : GradientPart{0, shape.out, first, size};
    sum_part(of_out, x, of_weight, shape, part, adds);
  });
}

}  // namespace cairn::kernels
