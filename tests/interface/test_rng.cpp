#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "cairn/rng.h"

using cairn::Rng;
using cairn::Stream;

TEST_CASE("draws depend only on seed, stream, epoch, sample and their number", "[rng]") {
  Rng a(7, Stream::load, 2, 11);
  Rng b(7, Stream::load, 2, 11);
  for (int i = 0; i < 100; ++i) REQUIRE(a.bits() == b.bits());
  const auto first = [](Rng rng) { return rng.bits64(); };
  std::set<std::uint64_t> values;
  values.insert(first(Rng(7, Stream::load, 2, 11)));
  values.insert(first(Rng(8, Stream::load, 2, 11)));
  values.insert(first(Rng(7, Stream::plan, 2, 11)));
  values.insert(first(Rng(7, Stream::load, 3, 11)));
  values.insert(first(Rng(7, Stream::load, 2, 12)));
  REQUIRE(values.size() == 5);
}

TEST_CASE("a fork is independent and leaves its parent alone", "[rng]") {
  Rng parent(1, Stream::load);
  Rng untouched = parent;
  Rng one = parent.fork(0), two = parent.fork(1), again = parent.fork(0);
  REQUIRE(one.bits64() == again.bits64());
  REQUIRE(one.bits64() != two.bits64());
  REQUIRE(parent.bits64() == untouched.bits64());
}

TEST_CASE("uniform and normal draws have their moments", "[rng]") {
  Rng rng(3, Stream::user);
  constexpr int kDraws = 200000;
  double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = rng.uniform();
    REQUIRE((u >= 0.0 && u < 1.0));
    sum += u;
    squares += u * u;
    const double n = rng.normal();
    normal_sum += n;
    normal_squares += n * n;
  }
  REQUIRE(sum / kDraws == Approx(0.5).margin(0.005));
  REQUIRE(squares / kDraws == Approx(1.0 / 3).margin(0.005));
  REQUIRE(normal_sum / kDraws == Approx(0.0).margin(0.01));
  REQUIRE(normal_squares / kDraws == Approx(1.0).margin(0.02));
}

TEST_CASE("integers cover their range evenly, both ends included", "[rng]") {
  Rng rng(5, Stream::user);
  int counts[7] = {};
  for (int i = 0; i < 70000; ++i) {
    const auto v = rng.integer(-3, 3);
    REQUIRE((v >= -3 && v <= 3));
    ++counts[v + 3];
  }
  for (const int count : counts) REQUIRE(std::abs(count - 10000) < 500);
  REQUIRE(rng.integer(4, 4) == 4);
}

TEST_CASE("a permutation holds every number once", "[rng]") {
  Rng rng(9, Stream::shuffle);
  const auto order = rng.permutation(1000);
  REQUIRE(std::set<std::int64_t>(order.begin(), order.end()).size() == 1000);
  REQUIRE_FALSE(std::is_sorted(order.begin(), order.end()));
  REQUIRE(rng.permutation(0).empty());
}
