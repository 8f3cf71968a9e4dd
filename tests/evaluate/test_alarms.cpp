#include <catch2/catch.hpp>

#include "evaluate/alarms.h"

namespace {

using cairn::Alarm;
using cairn::Alarms;

struct Point {
  std::int64_t step;
  double loss, rank, deviation;
};

/// What a run with these logged figures raises.
std::vector<Alarm> raised(const std::vector<Point>& run, double share = 0.2, bool has_teacher = true) {
  Alarms alarms(has_teacher);
  std::vector<Alarm> all;
  for (const Point& p : run)
    for (const Alarm& alarm : alarms.observe(
             p.step,
             {{"loss", p.loss}, {"effective_rank", p.rank}, {"feature_std", p.deviation}, {"shortcut_share", share}}))
      all.push_back(alarm);
  return all;
}

// Logged by configs/quickstart.toml, and by it without stop-gradient and with momentum 0.
const std::vector<Point> kHealthy = {{10, 0.62, 10.2, 0.37},  {20, 0.57, 12.1, 0.37},  {40, 0.50, 14.6, 0.39},
                                     {60, 0.45, 11.4, 0.42},  {80, 0.43, 7.8, 0.45},   {100, 0.42, 6.7, 0.41},
                                     {110, 0.43, 7.0, 0.37},  {130, 0.41, 10.4, 0.26}, {160, 0.41, 18.0, 0.19},
                                     {190, 0.39, 12.3, 0.24}, {230, 0.36, 9.4, 0.38},  {500, 0.31, 14.5, 0.54}};
const std::vector<Point> kCollapse = {{10, 0.579, 10.3, 0.36},  {20, 0.436, 11.6, 0.38},  {30, 0.285, 7.9, 0.40},
                                      {40, 0.165, 5.6, 0.41},   {50, 0.086, 4.7, 0.41},   {60, 0.044, 4.3, 0.41},
                                      {90, 0.0096, 4.3, 0.30},  {120, 0.0038, 4.4, 0.10}, {240, 0.0002, 3.1, 0.016},
                                      {330, 1e-4, 12.6, 0.006}, {480, 1e-5, 8.5, 0.005}};
// Logged by configs/ajepa/fsdd.toml: one direction grows and takes the rank down, while nothing is lost.
const std::vector<Point> kSpreading = {{20, 0.54, 7.5, 0.087}, {40, 0.48, 3.0, 0.16},  {60, 0.44, 2.0, 0.23},
                                       {80, 0.42, 1.7, 0.27},  {100, 0.41, 1.7, 0.29}, {140, 0.40, 1.7, 0.30},
                                       {180, 0.40, 2.1, 0.24}, {220, 0.36, 3.5, 0.23}, {480, 0.29, 8.9, 0.64}};

}  // namespace

TEST_CASE("a rank that falls because the features spread is no collapse") { CHECK(raised(kSpreading).empty()); }

TEST_CASE("a healthy run raises no alarm though its rank halves twice") { CHECK(raised(kHealthy).empty()); }

TEST_CASE("a collapse is told once, soon after the rank starts to fall, with advice") {
  const auto all = raised(kCollapse);
  REQUIRE(all.size() == 2);
  CHECK(all[0].kind == "collapse");
  CHECK(all[0].step == 60);
  CHECK(all[0].text ==
        "effective rank fell from 11.6 to 4.3 in 40 steps while the loss fell to 8 % of its start: the representation "
        "is collapsing; raise ema.momentum or lower optim.lr; see docs/collapse.md");
  CHECK(all[1].kind == "point");
  CHECK(all[1].step == 330);
  CHECK_THAT(all[1].text, Catch::Contains("nearly alike"));
}

TEST_CASE("without a teacher the advice is to have one") {
  const auto all = raised(kCollapse, 0.2, /*has_teacher=*/false);
  REQUIRE(all.size() == 2);
  CHECK_THAT(all[0].text, Catch::Contains("give the targets a teacher"));
  CHECK_THAT(all[1].text, Catch::Contains("start again with a teacher, a lower optim.lr"));
}

TEST_CASE("a deep fall counts whatever the loss does, a single dip does not") {
  std::vector<Point> run;
  for (std::int64_t i = 0; i < 5; ++i) run.push_back({i, 5.0, 60.0, 0.5});
  run.push_back({5, 5.0, 9.0, 0.5});
  run.push_back({6, 5.0, 40.0, 0.5});
  CHECK(raised(run).empty());
  run.push_back({7, 5.0, 9.0, 0.5});
  run.push_back({8, 5.0, 8.0, 0.5});
  REQUIRE(raised(run).size() == 1);
  CHECK(raised(run)[0].step == 8);
}

TEST_CASE("targets that grow alike are a collapse too, if the loss falls with them") {
  const auto raised_by = [](double last_loss) {
    Alarms alarms(/*has_teacher=*/true);
    std::vector<Alarm> all;
    std::int64_t step = 0;
    for (const auto& [loss, spread] : std::vector<std::pair<double, double>>{
             {0.32, 0.43}, {0.23, 0.2}, {0.18, 0.07}, {0.13, 0.039}, {last_loss, 0.024}})
      for (Alarm& alarm : alarms.observe(++step, {{"loss", loss}, {"effective_rank", 4.0}, {"target_spread", spread}}))
        all.push_back(std::move(alarm));
    return all;
  };
  REQUIRE(raised_by(0.085).size() == 1);
  CHECK(raised_by(0.085)[0].kind == "collapse");
  CHECK(raised_by(0.085)[0].step == 5);
  CHECK(raised_by(0.3).empty());
}

TEST_CASE("targets that a shortcut explains are told when the loss is small") {
  const std::vector<Point> run = {{0, 0.5, 4.0, 0.5}, {1, 0.03, 4.0, 0.5}, {2, 0.02, 4.0, 0.5}};
  REQUIRE(raised(run, 0.97).size() == 1);
  CHECK(raised(run, 0.97)[0].kind == "shortcut");
  CHECK(raised(run, 0.5).empty());
}

TEST_CASE("figures that are missing, negative or not finite raise nothing") {
  Alarms alarms(/*has_teacher=*/true);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (std::int64_t step = 0; step < 5; ++step) {
    CHECK(alarms.observe(step, {}).empty());
    CHECK(alarms.observe(step, {{"loss", -0.9}, {"effective_rank", nan}, {"feature_std", nan}}).empty());
  }
}
