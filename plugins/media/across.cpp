#include "media/across.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cairn::media {
#if defined(__x86_64__)
namespace {

constexpr std::size_t kNeighbours = 5;  // pixels of three channels, in a register of sixteen numbers
constexpr int kTogether = 4;            // rows that filter_rows() takes
using InRows = std::array<const std::uint8_t*, kTogether>;
using OutRows = std::array<std::uint8_t*, kTogether>;

constexpr int kRegister = 64;          // bytes
constexpr int kReach = kRegister + 3;  // bytes that may be read after a row

/// The inputs of a few neighbours.
struct Group {
  alignas(kRegister) std::array<std::uint8_t, kRegister> places{};  // of each sum's first two, from the first input on
  std::ptrdiff_t first = 0;                                         // byte in a row
  std::size_t weights = 0;                                          // of the first pair
  std::size_t pairs = 0;
};

/// A pair of weights for each sum of a group.
struct alignas(kRegister) Weights {
  std::array<std::array<std::int16_t, 2>, 16> high{}, low{};
};

struct Plan {
  std::vector<Group> groups;
  std::vector<Weights> weights;
};

bool lie_near(std::span<const Tap> taps) {
  const auto [low, high] = std::ranges::minmax(taps, {}, &Tap::first);
  return 3 * (high.first - low.first + 2) <= kRegister;
}

void add_group(const Taps& taps, std::span<const Tap> neighbours, int left, Plan& plan) {
  Group& group = plan.groups.emplace_back();
  const int first = std::ranges::min(neighbours, {}, &Tap::first).first;
  group.first = 3 * std::ptrdiff_t{first - left};
  group.weights = plan.weights.size();
  group.pairs = std::ranges::max(neighbours, {}, &Tap::count).pairs();
  plan.weights.resize(group.weights + group.pairs);
  std::size_t sum = 0;
  for (const Tap& tap : neighbours)
    for (int channel = 0; channel < 3; ++channel, ++sum) {
      const int place = 3 * (tap.first - first) + channel;
      group.places[4 * sum] = static_cast<std::uint8_t>(place);
      group.places[4 * sum + 2] = static_cast<std::uint8_t>(place + 3);
      for (std::size_t pair = 0; pair < tap.pairs(); ++pair) {
        plan.weights[group.weights + pair].high[sum] = taps.pairs[tap.offset + pair].high;
        plan.weights[group.weights + pair].low[sum] = taps.pairs[tap.offset + pair].low;
      }
    }
}

/// Sixteen sums of both parts of the weights.
struct Sums {
  __m512i high, low;
};

[[gnu::target("avx512f,avx512bw,avx512vbmi,avx512vnni")]] inline void add(Sums& sums, const std::uint8_t* in,
                                                                          __m512i places, const Weights& weights) {
  constexpr __mmask64 kLowBytes = 0x5555555555555555;
  const __m512i pairs = _mm512_maskz_permutexvar_epi8(kLowBytes, places, _mm512_loadu_si512(in));
  sums.high = _mm512_dpwssd_epi32(sums.high, pairs, _mm512_load_si512(weights.high.data()));
  sums.low = _mm512_dpwssd_epi32(sums.low, pairs, _mm512_load_si512(weights.low.data()));
}

/// As bytes. All with masks: without them GCC 12 warns of its own header.
[[gnu::target("avx512f")]] inline void store(const Sums& sums, std::uint8_t* out) {
  constexpr __mmask16 kAll = 0xFFFF;
  const __m512i sum = _mm512_add_epi32(_mm512_maskz_slli_epi32(kAll, sums.high, kLowBits), sums.low);
  const __m512i whole = _mm512_maskz_srai_epi32(kAll, sum, kWeightBits);
  const __m512i positive = _mm512_maskz_max_epi32(kAll, whole, _mm512_setzero_si512());
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_maskz_cvtusepi32_epi8(kAll, positive));
}

/// Four rows at once, which share the loading of weights; those `ahead` bytes on come next.
[[gnu::target("avx512f,avx512bw,avx512vbmi,avx512vnni")]] void filter_rows(const Plan& plan, const InRows& in,
                                                                           const OutRows& out, std::ptrdiff_t ahead) {
  std::size_t at = 0;
  for (const Group& group : plan.groups) {
    const __m512i places = _mm512_load_si512(group.places.data());
    for (const std::uint8_t* row : in) _mm_prefetch(row + ahead + group.first, _MM_HINT_T0);
    const Sums none = {_mm512_setzero_si512(), _mm512_set1_epi32(kHalfWeight)};
    Sums a = none, b = none, c = none, d = none;
    std::ptrdiff_t from = group.first;
    for (std::size_t pair = 0; pair < group.pairs; ++pair, from += 6) {
      const Weights& weights = plan.weights[group.weights + pair];
      add(a, in[0] + from, places, weights);
      add(b, in[1] + from, places, weights);
      add(c, in[2] + from, places, weights);
      add(d, in[3] + from, places, weights);
    }
    store(a, out[0] + at);
    store(b, out[1] + at);
    store(c, out[2] + at);
    store(d, out[3] + at);
    at += 3 * kNeighbours;
  }
}

bool is_able() {
  return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

/// Nothing where a group's inputs lie too far apart.
std::optional<Plan> make_plan(const Taps& taps, int left) {
  Plan plan;
  const std::span<const Tap> all = taps.of;
  for (std::size_t i = 0; i < all.size(); i += kNeighbours) {
    const auto neighbours = all.subspan(i, std::min(kNeighbours, all.size() - i));
    if (!lie_near(neighbours)) return std::nullopt;
    add_group(taps, neighbours, left, plan);
  }
  return plan;
}

/// Moves rows to where they may be read beyond.
void copy_rows(std::size_t width, InRows& rows, std::vector<std::uint8_t>& copies) {
  copies.resize(kTogether * (width + kReach));
  std::uint8_t* copy = copies.data();
  for (const std::uint8_t*& row : rows) {
    std::copy_n(row, width, copy);
    row = std::exchange(copy, copy + width + kReach);
  }
}

}  // namespace

bool filter_across_wide(const Taps& taps, const Picture& picture, int left, int top, int rows, std::uint8_t* out,
                        std::size_t stride) {
  if (!is_able()) return false;
  const std::optional<Plan> plan = make_plan(taps, left);
  if (!plan) return false;
  const std::size_t width = 3 * static_cast<std::size_t>(picture.width);
  const std::uint8_t* end = picture.rgb.data() + picture.rgb.size();
  std::vector<std::uint8_t> last;  // rows after which too little follows
  for (int y = 0; y < rows; y += kTogether) {
    InRows from;
    OutRows to;
    for (int r = 0; r < kTogether; ++r) {
      const int row = std::min(y + r, rows - 1);
      from[static_cast<std::size_t>(r)] = picture.row(top + row);
      to[static_cast<std::size_t>(r)] = out + stride * static_cast<std::size_t>(row);
    }
    if (end - from.back() < static_cast<std::ptrdiff_t>(width) + kReach) copy_rows(width, from, last);
    filter_rows(*plan, from, to, static_cast<std::ptrdiff_t>(width) * kTogether);
  }
  return true;
}
#else
bool filter_across_wide(const Taps&, const Picture&, int, int, int, std::uint8_t*, std::size_t) { return false; }
#endif

}  // namespace cairn::media
