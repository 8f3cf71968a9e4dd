#include <catch2/catch.hpp>

#include "train/loss_guard.h"

using cairn::LossGuard;

namespace {

/// A guard that has seen a wandering loss around `level`.
LossGuard seasoned(double level, double wander) {
  LossGuard guard(10.0);
  for (int i = 0; i < 64; ++i) CHECK_FALSE(guard.is_bad(level + wander * ((i * 37) % 11 - 5) / 5.0));
  return guard;
}

}  // namespace

TEST_CASE("a loss that leaps is a spike, one that wanders is not") {
  LossGuard guard = seasoned(0.4, 0.03);
  CHECK_FALSE(guard.is_bad(0.5));
  CHECK_FALSE(guard.is_bad(0.1));
  CHECK(guard.is_bad(1.2));
  CHECK(guard.bad_in_a_row() == 1);
  CHECK(guard.is_bad(std::numeric_limits<double>::infinity()));
  CHECK(guard.bad_in_a_row() == 2);
  CHECK_FALSE(guard.is_bad(0.41));
  CHECK(guard.bad_in_a_row() == 0);
  CHECK(guard.median() == Approx(0.4).margin(0.03));
}

TEST_CASE("negative losses leap too") {
  LossGuard guard = seasoned(-0.9, 0.02);
  CHECK_FALSE(guard.is_bad(-0.85));
  CHECK(guard.is_bad(-0.1));
}

TEST_CASE("a very steady loss may move by a tenth") {
  LossGuard guard = seasoned(2.0, 0.0);
  CHECK_FALSE(guard.is_bad(2.15));
  CHECK(guard.is_bad(2.3));
}

TEST_CASE("a young run is only judged for being finite, and a resumed one goes on where it was") {
  LossGuard young(10.0);
  for (int i = 0; i < 31; ++i) CHECK_FALSE(young.is_bad(0.1));
  CHECK_FALSE(young.is_bad(50.0));
  CHECK(young.is_bad(std::numeric_limits<double>::quiet_NaN()));
  LossGuard resumed(10.0, seasoned(0.4, 0.03).seen());
  CHECK(resumed.is_bad(1.2));
}
