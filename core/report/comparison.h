#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "evaluate/significance.h"

namespace cairn {

/// What one run of a comparison gave, as its run.json tells. Accuracies are shares.
struct ComparedRun {
  std::string method, data;
  std::int64_t seed = 0;
  std::filesystem::path folder;
  std::string status;  // of run.json; "missing" without one
  std::string error;
  std::optional<double> linear, knn, untrained_linear, untrained_knn, raw_linear, effective_rank;
  std::int64_t steps = 0;
  double wall_seconds = 0.0;
  std::optional<double> samples_per_second;
  double peak_memory_bytes = 0.0;
  double flops_per_step = 0.0;
  std::int64_t alarms = 0;
};

/// Fills a run from the run.json in its folder.
CAIRN_API void read_run(ComparedRun& run);

/// One method on one data set, over its seeds.
struct ComparedMethod {
  std::string method, data;
  std::vector<std::int64_t> seeds;  // that are done, in the order of the suite
  std::vector<double> scores;       // of these, by the measure that ranks
  Interval score;
  std::optional<Interval> linear, knn, untrained;      // untrained: by the measure that ranks; none where not measured
  double p_to_best = 1.0;                              // paired over seeds
  double wall_seconds = 0.0, peak_memory_bytes = 0.0;  // means
  std::optional<double> samples_per_second;            // mean of the runs that know it
  std::int64_t steps = 0;
  std::int64_t runs = 0, failed = 0, alarms = 0;
};

/// What a comparison was made under, and its result, best first within each data set.
struct Comparison {
  std::string name;
  std::string budget;   // "64000 samples a run"
  std::string measure;  // "linear" or "knn"
  std::string note;     // what the methods differ in beside their names; may be empty
  std::vector<ComparedMethod> methods;
  std::vector<ComparedRun> runs;
};

/// Ranks the runs by `measure`, with intervals and paired tests over the seeds.
CAIRN_API Comparison rank_runs(std::string name, std::string budget, std::string measure,
                               std::vector<ComparedRun> runs);

/// The ranking as text for a terminal, Markdown, CSV of every run, and JSON of everything.
CAIRN_API std::string comparison_table(const Comparison& comparison);
CAIRN_API std::string comparison_markdown(const Comparison& comparison);
CAIRN_API std::string comparison_csv(const Comparison& comparison);
CAIRN_API std::string comparison_json(const Comparison& comparison);

}  // namespace cairn
