#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "report/summary.h"
#include "support/temporary_folder.h"

namespace {

using namespace cairn;

ProbeResult result(double linear, double knn) {
  ProbeResult r;
  r.linear = linear;
  r.knn = knn;
  r.classes = r.tested_classes = 8;
  r.train = 3000;
  r.test = 1000;
  r.feature_std = 0.44;
  r.effective_rank = 11.5;
  r.rankme = 60.2;
  return r;
}

}  // namespace

TEST_CASE("the final table lines up and says what chance is") {
  const std::vector<ResultRow> rows = {
      {"trained teacher", result(0.486, 0.283)}, {"untrained encoder", result(0.182, 0.154)}, {"raw input", {}}};
  CHECK(result_table(rows, "") ==
        "features              linear        kNN  feature std  effective rank\n"
        "trained teacher       48.6 %     28.3 %        0.440            11.5\n"
        "untrained encoder     18.2 %     15.4 %        0.440            11.5\n"
        "raw input                  -          -            -               -\n"
        "8 classes, chance 12.5 %; probes learnt from 3000 and tested on 1000 samples\n");
}

TEST_CASE("the final table says where the test samples are of few classes") {
  ProbeResult few = result(0.5, 0.5);
  few.tested_classes = 2;
  const std::vector<ResultRow> rows = {{"raw input", few}};
  CHECK_THAT(result_table(rows, ""), Catch::EndsWith("tested on 1000 samples of only 2 classes\n"));
}

TEST_CASE("without results the table is a sentence that says why") {
  CHECK(result_table({}, "the data carries no labels") == "no probe: the data carries no labels\n");
}

TEST_CASE("run.json holds the facts and is replaced as a whole") {
  test::TemporaryFolder folder;
  const auto path = folder / "run.json";
  RunFacts facts;
  facts.name = "quickstart";
  facts.plugins = {{"alpha", "1.2", "/somewhere/cairn-alpha.so"}};
  facts.command = {"cairn", "train", "a \"b\".toml"};
  write_run_facts(path, facts);
  auto read = nlohmann::json::parse(test::read_text(path));
  CHECK(read["status"] == "running");
  CHECK(read["ended"].is_null());
  CHECK(read["samples_per_second"].is_null());
  CHECK(read["best_checkpoint"].is_null());
  CHECK(read["plugins"][0]["path"] == "/somewhere/cairn-alpha.so");
  CHECK(read["command"][2] == "a \"b\".toml");

  facts.status = "done";
  facts.samples_per_second = 512.5;
  facts.results = {{"trained teacher", result(0.5, std::numeric_limits<double>::quiet_NaN())}, {"raw input", {}}};
  facts.best = BestCheckpoint{"checkpoints/step-100", 100, "linear", 0.5};
  write_run_facts(path, facts);
  read = nlohmann::json::parse(test::read_text(path));
  CHECK(read["status"] == "done");
  CHECK(read["samples_per_second"] == 512.5);
  CHECK(read["results"][0]["linear"] == 0.5);
  CHECK(read["results"][0]["knn"].is_null());
  CHECK_FALSE(read["results"][1].contains("linear"));
  CHECK(read["best_checkpoint"]["step"] == 100);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  CHECK_THROWS_AS(write_run_facts("/nowhere/run.json", facts), Error);
}

TEST_CASE("a resumed run tells the pace of all its processes") {
  test::TemporaryFolder folder;
  CHECK(earlier_facts(folder.path() / "run.json").wall_seconds == 0.0);
  RunFacts first;
  first.started = "2026-01-02T03:04:05Z";
  first.step = 300;
  first.samples_per_second = 100.0;
  first.loader_wait_share = 0.5;
  first.flops_per_step = 2e9;
  first.wall_seconds = 10.0;
  first.peak_memory_bytes = 1000;
  write_run_facts(folder.path() / "run.json", first);
  const RunFacts earlier = earlier_facts(folder.path() / "run.json");
  CHECK(earlier.wall_seconds == 10.0);
  CHECK(earlier.started == "2026-01-02T03:04:05Z");

  RunFacts facts;
  facts.first_step = 300;
  facts.step = 500;
  facts.samples_per_second = 200.0;
  facts.flops_per_step = 3e9;
  facts.peak_memory_bytes = 400;
  add_pace(facts, earlier);
  CHECK(*facts.samples_per_second == Approx(500.0 / (300.0 / 100.0 + 200.0 / 200.0)));
  CHECK(facts.loader_wait_share == Approx(0.5 * 3.0 / 4.0));
  CHECK(facts.flops_per_step == 2e9);
  CHECK(facts.peak_memory_bytes == 1000);

  RunFacts idle;  // cut short before it made a step
  idle.first_step = idle.step = 300;
  add_pace(idle, earlier);
  CHECK(*idle.samples_per_second == Approx(100.0));
}

TEST_CASE("the closing lines tell speed, memory, time and place") {
  RunFacts facts;
  facts.samples_per_second = 512.4;
  facts.peak_memory_bytes = std::int64_t{3} << 29;
  facts.wall_seconds = 275;
  CHECK(closing_lines(facts, "runs/a") == "512 samples/s, peak memory 1.50 GiB, wall time 4:35\nrun folder: runs/a\n");
  facts.samples_per_second.reset();
  facts.unreadable_samples = 2;
  facts.peak_memory_bytes = 100 << 20;
  facts.peak_device_memory_bytes = 1 << 30;
  CHECK(closing_lines(facts, "r") ==
        "peak memory 100 MiB (device 1.00 GiB), wall time 4:35\n2 samples could not be read\nrun folder: r\n");
}

TEST_CASE("memory and processor are what the system says") {
  CHECK(peak_memory() > 1 << 20);
  CHECK_FALSE(cpu_name().empty());
  CHECK_FALSE(peak_device_memory(at::kCPU));
}
