#include <catch2/catch.hpp>
#include <cmath>

#include "evaluate/line_search.h"

namespace {

using cairn::LinePoint;

/// A function and its derivative along a line.
struct Line {
  std::function<double(double)> value, slope;

  LinePoint operator()(double step) const { return {step, value(step), slope(step)}; }
};

void check_wolfe(const Line& line, const LinePoint& found, const cairn::WolfeConditions& conditions) {
  const LinePoint start = line(0.0);
  CHECK(found.value <= start.value + conditions.decrease * found.step * start.slope);
  CHECK(std::abs(found.slope) <= -conditions.curvature * start.slope);
}

}  // namespace

TEST_CASE("a step that meets the strong Wolfe conditions is found from near and far") {
  // Functions 1 to 3 of Moré & Thuente 1994, section 5.
  const Line rational{[](double a) { return -a / (a * a + 2.0); },
                      [](double a) { return (a * a - 2.0) / ((a * a + 2.0) * (a * a + 2.0)); }};
  const Line steep{[](double a) { return std::pow(a + 0.004, 5.0) - 2.0 * std::pow(a + 0.004, 4.0); },
                   [](double a) { return 5.0 * std::pow(a + 0.004, 4.0) - 8.0 * std::pow(a + 0.004, 3.0); }};
  const Line quadratic{[](double a) { return (a - 3.0) * (a - 3.0); }, [](double a) { return 2.0 * (a - 3.0); }};
  const cairn::WolfeConditions strict{1e-3, 0.1, 1e-10, 50};
  for (const Line* line : {&rational, &steep, &quadratic})
    for (const double first : {1e-3, 1e-1, 1.0, 10.0, 1e3})
      check_wolfe(*line, cairn::search_line(*line, (*line)(0.0), first, strict), strict);
}

TEST_CASE("a first step that is good enough is taken as it is") {
  const Line line{[](double a) { return (a - 1.0) * (a - 1.0); }, [](double a) { return 2.0 * (a - 1.0); }};
  CHECK(cairn::search_line(line, line(0.0), 0.9).step == 0.9);
}

TEST_CASE("a line without an end gives the best step tried") {
  const Line line{[](double a) { return -a; }, [](double) { return -1.0; }};
  const LinePoint found = cairn::search_line(line, line(0.0), 1.0);
  CHECK(found.step > 100.0);
  CHECK(found.value == -found.step);
}
