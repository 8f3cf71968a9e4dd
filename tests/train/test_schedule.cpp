#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "train/schedule.h"

using namespace cairn;

namespace {

struct Settings {
  OptimSettings optim;
  EmaSettings ema;
  ScheduleSettings schedule;
  TrainSettings train;

  Schedule make() const { return {optim, ema, schedule, train}; }
};

/// I-JEPA's in1k_vith14 schedule, a hundredth as long.
Settings published() {
  Settings s;
  s.optim.lr = 1e-3;
  s.optim.weight_decay = 0.04;
  s.ema.momentum = {0.996, 1.0};
  s.schedule.warmup_steps = 250;
  s.schedule.start_factor = 0.2;
  s.schedule.final_factor = 1e-3;
  s.schedule.weight_decay_end = 0.4;
  s.train.steps = 1875;
  return s;
}

}  // namespace

TEST_CASE("the published I-JEPA schedules, formula by formula", "[schedule]") {
  const Schedule schedule = published().make();
  REQUIRE(schedule.at(0).lr == Approx(2e-4 + (1.0 / 250) * 8e-4));
  REQUIRE(schedule.at(124).lr == Approx(2e-4 + (125.0 / 250) * 8e-4));
  REQUIRE(schedule.at(249).lr == Approx(1e-3));
  const double p = (1000.0 - 250) / (1875 - 250);
  REQUIRE(schedule.at(999).lr == Approx(1e-6 + (1e-3 - 1e-6) * 0.5 * (1 + std::cos(std::numbers::pi * p))));
  REQUIRE(schedule.at(1874).lr == Approx(1e-6));
  REQUIRE(schedule.at(1874).weight_decay == Approx(0.4));
  const double q = 1000.0 / 1875;
  REQUIRE(schedule.at(999).weight_decay == Approx(0.4 + (0.04 - 0.4) * 0.5 * (1 + std::cos(std::numbers::pi * q))));
  REQUIRE(1.0 - schedule.at(0).momentum == Approx(0.004));
  REQUIRE(1.0 - schedule.at(937).momentum == Approx(0.004 * (1 - 937.0 / 1875)));
}

TEST_CASE("a stretched horizon stops V-JEPA's schedules where the paper's run stopped", "[schedule]") {
  Settings s;
  s.optim.lr = 6.25e-4;
  s.optim.weight_decay = 0.04;
  s.ema.momentum = {0.998, 1.0};
  s.schedule.stretch = 1.25;
  s.schedule.warmup_steps = 12000;
  s.schedule.start_factor = 2e-4 / 6.25e-4;
  s.schedule.final_factor = 1e-6 / 6.25e-4;
  s.schedule.weight_decay_end = 0.4;
  s.train.steps = 90000;
  const StepRates last = s.make().at(89999);
  REQUIRE(last.lr == Approx(7.50e-5).epsilon(0.005));
  REQUIRE(last.weight_decay == Approx(0.3656).epsilon(0.001));
  REQUIRE(1.0 - last.momentum == Approx(0.002 * (1 - 89999.0 / (1.25 * 90000))).epsilon(1e-3));
}

TEST_CASE("constant, then a linear cooldown", "[schedule]") {
  Settings s;
  s.optim.lr = 1.0;
  s.schedule.type = "constant";
  s.schedule.final_factor = 0.1;
  s.schedule.cooldown_share = 0.25;
  s.train.steps = 100;
  const Schedule schedule = s.make();
  REQUIRE(schedule.at(0).lr == Approx(1.0));
  REQUIRE(schedule.at(74).lr == Approx(1.0));
  REQUIRE(schedule.at(99).lr == Approx(0.1));
  REQUIRE(schedule.at(86).lr == Approx(1.0 - 0.9 * 12.0 / 25));
  REQUIRE(schedule.at(10).weight_decay == Approx(0.05));
}

TEST_CASE("total_steps, not steps, is the horizon where it is given", "[schedule]") {
  Settings s = published();
  s.train.steps = 10;
  s.schedule.total_steps = 1875;
  REQUIRE(s.make().at(5).lr == published().make().at(5).lr);
  REQUIRE(s.make().total_steps() == 1875);
}

TEST_CASE("the learning rate grows with the batch, and momentum may follow a cosine", "[schedule]") {
  Settings s = published();
  s.train.batch_size = 1024;
  s.optim.lr_scaling = "linear";
  REQUIRE(s.make().at(249).lr == Approx(4e-3));
  REQUIRE(s.make().at(0).full_lr == Approx(4e-3));
  s.optim.lr_scaling = "sqrt";
  REQUIRE(s.make().at(249).lr == Approx(2e-3));
  s.ema.schedule = "cosine";
  s.ema.momentum = {0.99, 1.0};
  const double share = 500.0 / 1875.0;  // BYOL: 1 - (1 - base) * (cos(pi k / K) + 1) / 2
  REQUIRE(1.0 - s.make().at(500).momentum == Approx(0.01 * (std::cos(std::numbers::pi * share) + 1.0) / 2.0));
  REQUIRE(1.0 - s.make().at(0).momentum == Approx(0.01));
}
