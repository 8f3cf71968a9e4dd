#include "cairn/rng.h"

#include <cmath>
#include <numbers>
#include <numeric>

namespace cairn {
namespace {

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finaliser
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

Rng::Rng(std::uint64_t seed, Stream stream, std::uint64_t epoch, std::uint64_t sample) {
  const std::uint64_t key = mix(mix(mix(seed) ^ static_cast<std::uint32_t>(stream)) ^ epoch);
  key_[0] = static_cast<std::uint32_t>(key);
  key_[1] = static_cast<std::uint32_t>(key >> 32);
  counter_[0] = counter_[1] = 0;
  counter_[2] = static_cast<std::uint32_t>(sample);
  counter_[3] = static_cast<std::uint32_t>(sample >> 32);
}

void Rng::refill() {
  counter_[0] = static_cast<std::uint32_t>(draws_);
  counter_[1] = static_cast<std::uint32_t>(draws_ >> 32);
  ++draws_;
  std::uint32_t c[4] = {counter_[0], counter_[1], counter_[2], counter_[3]};
  std::uint32_t k[2] = {key_[0], key_[1]};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * c[2];
    const std::uint32_t next[4] = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(b),
                                   static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(a)};
    for (int i = 0; i < 4; ++i) c[i] = next[i];
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  for (int i = 0; i < 4; ++i) block_[i] = c[i];
  used_ = 0;
}

std::uint32_t Rng::bits() {
  if (used_ == 4) refill();
  return block_[used_++];
}

std::uint64_t Rng::bits64() {
  const std::uint64_t high = bits();
  return (high << 32) | bits();
}

double Rng::uniform() { return static_cast<double>(bits64() >> 11) * 0x1.0p-53; }

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

std::int64_t Rng::integer(std::int64_t low, std::int64_t high) {
  const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  if (span == 0) return static_cast<std::int64_t>(bits64());
  const std::uint64_t limit = ~std::uint64_t{0} - ~std::uint64_t{0} % span;
  std::uint64_t draw = bits64();
  while (draw >= limit) draw = bits64();
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + draw % span);
}

double Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

bool Rng::chance(double probability) { return uniform() < probability; }

std::vector<std::int64_t> Rng::permutation(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  shuffle(order);
  return order;
}

void Rng::shuffle(std::span<std::int64_t> values) {
  for (std::int64_t i = static_cast<std::int64_t>(values.size()) - 1; i > 0; --i)
    std::swap(values[static_cast<std::size_t>(i)], values[static_cast<std::size_t>(integer(0, i))]);
}

Rng Rng::fork(std::uint64_t index) const {
  Rng child = *this;
  const std::uint64_t key = mix((std::uint64_t{key_[1]} << 32 | key_[0]) ^ mix(index + 1));
  child.key_[0] = static_cast<std::uint32_t>(key);
  child.key_[1] = static_cast<std::uint32_t>(key >> 32);
  child.draws_ = 0;
  child.used_ = 4;
  return child;
}

}  // namespace cairn
