#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "report/comparison.h"
#include "support/temporary_folder.h"

namespace {

using namespace cairn;

ComparedRun run(const std::string& method, std::int64_t seed, double linear, const std::string& data = "") {
  ComparedRun run{method, data, seed, "runs/" + method};
  run.status = "done";
  run.linear = linear;
  run.knn = linear - 0.1;
  run.untrained_linear = 0.2;
  run.steps = 100;
  run.wall_seconds = 61.0;
  run.samples_per_second = 400.0;
  run.peak_memory_bytes = 300.0 * (1 << 20);
  return run;
}

}  // namespace

TEST_CASE("methods are ranked within each data set, with a paired test over the seeds both have") {
  auto failed = run("B", 2, 0.0, "x");
  failed.status = "failed";
  failed.linear.reset();
  const Comparison c = rank_runs("suite", "100 steps a run", "linear",
                                 {run("A", 0, 0.50, "x"), run("A", 1, 0.52, "x"), run("A", 2, 0.51, "x"),
                                  run("B", 0, 0.61, "x"), run("B", 1, 0.65, "x"), failed, run("A", 0, 0.3, "y")});
  REQUIRE(c.methods.size() == 3);
  CHECK(c.methods[0].method == "B");
  CHECK(c.methods[0].failed == 1);
  CHECK(c.methods[0].score.value == Approx(0.63));
  CHECK(c.methods[1].method == "A");
  // Differences 0.11 and 0.13: t = 12 with one degree of freedom.
  CHECK(c.methods[1].p_to_best == Approx(0.0529).epsilon(1e-2));
  CHECK(c.methods[2].data == "y");
}

TEST_CASE("the tables say what was compared and how sure it is") {
  const Comparison c = rank_runs("suite", "100 steps a run", "linear", {run("A", 0, 0.5), run("B, b", 0, 0.6)});
  const std::string text = comparison_table(c);
  CHECK_THAT(text, Catch::Contains("B, b") && Catch::Contains("60.0") && Catch::Contains("best") &&
                       Catch::Contains("100 steps a run") && Catch::Contains("300 MiB"));
  CHECK(text.find("B, b") < text.find("50.0"));
  CHECK_THAT(comparison_markdown(c), Catch::Contains("| data | method | linear % |"));
  CHECK_THAT(comparison_csv(c), Catch::Contains("\"B, b\",0,done,0.6,0.5"));
  const auto json = nlohmann::json::parse(comparison_json(c));
  CHECK(json["methods"][0]["score"]["value"] == 0.6);
  CHECK(json["runs"].size() == 2);
}

TEST_CASE("what ranks decides which untrained figure stands beside it, and what was not measured is no zero") {
  ComparedRun measured = run("A", 0, 0.5);
  measured.untrained_knn = 0.35;
  CHECK_THAT(comparison_table(rank_runs("s", "b", "knn", {measured})),
             Catch::Contains("40.0") && Catch::Contains("35.0") && Catch::Contains("linear %"));
  CHECK_THAT(comparison_table(rank_runs("s", "b", "linear", {measured})), Catch::Contains("20.0"));
  measured.untrained_linear.reset();
  const Comparison c = rank_runs("s", "b", "linear", {measured});
  CHECK_THAT(comparison_markdown(c), Catch::Contains("| 50.0 | - | 40.0 |"));
  CHECK(nlohmann::json::parse(comparison_json(c))["methods"][0]["untrained"].is_null());
}

TEST_CASE("a pace that is not known is no zero, and does not slow the others") {
  ComparedRun unknown = run("A", 1, 0.6);
  unknown.samples_per_second.reset();
  const Comparison both = rank_runs("s", "b", "linear", {run("A", 0, 0.5), unknown});
  CHECK(both.methods[0].samples_per_second == 400.0);
  const Comparison c = rank_runs("s", "b", "linear", {unknown});
  CHECK_THAT(comparison_markdown(c), Catch::Contains("| - | 300 MiB |"));
  CHECK_THAT(comparison_csv(c), Catch::Contains(",61.0,,314572800,"));
  CHECK(nlohmann::json::parse(comparison_json(c))["methods"][0]["samples_per_second"].is_null());
}

TEST_CASE("a p too small to write is not zero, and a name with a bar keeps its column") {
  const std::string text = comparison_markdown(
      rank_runs("s", "b", "linear", {run("A|a", 0, 0.5), run("A|a", 1, 0.6), run("B", 0, 0.2), run("B", 1, 0.3)}));
  CHECK_THAT(text, Catch::Contains("p < 0.001") && !Catch::Contains("p = 0.000"));
  CHECK_THAT(text, Catch::Contains("| A\\|a |"));
}

TEST_CASE("a run without run.json is missing, and a method without a finished run comes last") {
  test::TemporaryFolder folder;
  ComparedRun absent{"C", "", 0, folder.path()};
  read_run(absent);
  CHECK(absent.status == "missing");
  const Comparison c = rank_runs("suite", "b", "knn", {absent, run("A", 0, 0.5)});
  CHECK(c.methods[1].method == "C");
  CHECK(c.methods[0].score.value == Approx(0.4));
  CHECK_THAT(comparison_table(c), Catch::Contains("0 of 1"));
}
