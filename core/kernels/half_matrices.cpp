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

[[gnu::always_inline]] inline void turn_square(Square& rows) {
  constexpr std::make_index_sequence<kSide> kLanes;
  exchange<1>(rows, kLanes);
  exchange<2>(rows, kLanes);
  exchange<4>(rows, kLanes);
  exchange<8>(rows, kLanes);
}

using Row [[gnu::vector_size(kSide * sizeof(std::uint16_t))]] = std::uint16_t;
using Pairs [[gnu::vector_size(2 * sizeof(Row))]] = std::uint16_t;

/// Two rows of `kSide` values as one of pairs, zeros in place of rows that are not there.
template <int... kLanes>
[[gnu::always_inline]] inline void pair_at(const std::uint16_t* from, const StridedRows& shape, std::int64_t row,
                                           Lanes& out, std::integer_sequence<int, kLanes...> /*lanes*/) {
  Row upper = {}, lower = {};
  if (row < shape.rows) std::memcpy(&upper, from + row * shape.stride, sizeof(Row));
  if (row + 1 < shape.rows) std::memcpy(&lower, from + (row + 1) * shape.stride, sizeof(Row));
  const Pairs pairs = __builtin_shufflevector(upper, lower, (kLanes / 2 + kLanes % 2 * static_cast<int>(kSide))...);
  std::memcpy(&out, &pairs, sizeof(Lanes));
}

}  // namespace

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void turn(const void* from, const StridedRows& shape, void* to, std::int64_t to_stride) {
  constexpr auto kStep = static_cast<std::int64_t>(kSide), kSize = static_cast<std::int64_t>(sizeof(std::uint32_t));
  const auto* in = static_cast<const std::byte*>(from);
  auto* out = static_cast<std::byte*>(to);
  Square square;
  for (std::int64_t row = 0; row < shape.rows; row += kStep)
    for (std::int64_t column = 0; column < shape.width; column += kStep) {
      for (std::int64_t i = 0; i < kStep; ++i)
        std::memcpy(&square[static_cast<std::size_t>(i)], in + ((row + i) * shape.stride + column) * kSize,
                    sizeof(Lanes));
      turn_square(square);
      for (std::int64_t i = 0; i < kStep; ++i)
        std::memcpy(out + ((column + i) * to_stride + row) * kSize, &square[static_cast<std::size_t>(i)],
                    sizeof(Lanes));
    }
}

#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]]
#endif
void turn_rows(const std::uint16_t* from, const StridedRows& shape, std::uint16_t* to, std::int64_t filled) {
  constexpr auto kStep = static_cast<std::int64_t>(kSide);
  constexpr std::make_integer_sequence<int, 2 * static_cast<int>(kSide)> kLanes;
  Square square;
  for (std::int64_t row = 0; row < filled; row += 2 * kStep)
    for (std::int64_t column = 0; column < shape.width; column += kStep) {
      for (std::int64_t i = 0; i < kStep; ++i)
        pair_at(from + column, shape, row + 2 * i, square[static_cast<std::size_t>(i)], kLanes);
      turn_square(square);
      for (std::int64_t i = 0; i < kStep; ++i)
        std::memcpy(to + (column + i) * filled + row, &square[static_cast<std::size_t>(i)], sizeof(Lanes));
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
void pair_rows(const std::uint16_t* from, const StridedRows& shape, std::uint16_t* to, std::int64_t filled) {
  const std::int64_t width = shape.width, whole = shape.rows / 2 * 2;
  for (std::int64_t row = 0; row < whole; row += 2, from += 2 * shape.stride, to += 2 * width)
#pragma GCC ivdep
    for (std::int64_t i = 0; i < width; ++i) {
      to[2 * i] = from[i];
      to[2 * i + 1] = from[shape.stride + i];
    }
  if (whole < shape.rows) {
    for (std::int64_t i = 0; i < width; ++i) {
      to[2 * i] = from[i];
      to[2 * i + 1] = 0;
    }
    to += 2 * width;
  }
  std::fill_n(to, (filled - (shape.rows + 1) / 2 * 2) * width, std::uint16_t{0});
}

}  // namespace cairn::kernels
