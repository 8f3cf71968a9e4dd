#include "kernels/half_matrices.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

namespace cairn::kernels {
namespace {

constexpr std::size_t kSide = 16;  // of the squares that are turned

using Lanes [[gnu::vector_size(kSide * sizeof(std::uint32_t))]] = std::uint32_t;
using Square = std::array<Lanes, kSide>;

/// Where the values come from, among those of two rows, when squares of `kSize` change places across the diagonal.
template <std::size_t kSize>
constexpr std::array<int, kSide> sources(bool is_upper) {
  std::array<int, kSide> from = {};
  for (std::size_t i = 0; i < kSide; ++i) {
    const bool is_right = (i & kSize) != 0;
    const std::size_t upper = is_right ? kSide + i - kSize : i, lower = is_right ? kSide + i : i + kSize;
    from[i] = static_cast<int>(is_upper ? upper : lower);
  }
  return from;
}

template <std::size_t kSize, std::size_t... kLanes>
[[gnu::always_inline]] inline void exchange(Square& rows, std::index_sequence<kLanes...> /*lanes*/) {
  constexpr auto kUpper = sources<kSize>(true), kLower = sources<kSize>(false);
  for (std::size_t i = 0; i < kSide; ++i) {
    if ((i & kSize) != 0) continue;
    const Lanes a = rows[i], b = rows[i + kSize];
    rows[i] = __builtin_shufflevector(a, b, kUpper[kLanes]...);
    rows[i + kSize] = __builtin_shufflevector(a, b, kLower[kLanes]...);
  }
}

}  // namespace

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void turn(const void* from, void* to, const RowsShape& shape) {
  const auto rows = static_cast<std::size_t>(shape.rows), width = static_cast<std::size_t>(shape.width);
  const auto* in = static_cast<const std::byte*>(from);
  auto* out = static_cast<std::byte*>(to);
  constexpr std::make_index_sequence<kSide> kLanes;
  Square square;
  for (std::size_t row = 0; row < rows; row += kSide)
    for (std::size_t column = 0; column < width; column += kSide) {
      for (std::size_t i = 0; i < kSide; ++i)
        std::memcpy(&square[i], in + ((row + i) * width + column) * sizeof(std::uint32_t), sizeof(Lanes));
      exchange<1>(square, kLanes);
      exchange<2>(square, kLanes);
      exchange<4>(square, kLanes);
      exchange<8>(square, kLanes);
      for (std::size_t i = 0; i < kSide; ++i)
        std::memcpy(out + ((column + i) * rows + row) * sizeof(std::uint32_t), &square[i], sizeof(Lanes));
    }
}

void gather_rows(const std::uint16_t* from, const StridedRows& shape, std::uint16_t* to, const RowsShape& filled) {
  for (std::int64_t row = 0; row < shape.rows; ++row, from += shape.stride, to += filled.width) {
    std::copy_n(from, shape.width, to);
    std::fill_n(to + shape.width, filled.width - shape.width, std::uint16_t{0});
  }
  std::fill_n(to, (filled.rows - shape.rows) * filled.width, std::uint16_t{0});
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void pair_rows(const std::uint16_t* from, std::uint16_t* to, const RowsShape& shape) {
  const std::int64_t width = shape.width;
  for (std::int64_t row = 0; row < shape.rows; row += 2, from += 2 * width, to += 2 * width)
#pragma GCC ivdep
    for (std::int64_t i = 0; i < width; ++i) {
      to[2 * i] = from[i];
      to[2 * i + 1] = from[width + i];
    }
}

}  // namespace cairn::kernels
