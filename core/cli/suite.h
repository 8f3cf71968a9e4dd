#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cairn/options.h"
#include "config/document.h"
#include "plugin/loader.h"

namespace cairn {

/// One way to learn, as a suite names it.
struct SuiteMethod {
  std::string name;
  std::string experiment;
  std::vector<std::string> set;
  static Schema<SuiteMethod> schema();
};

/// One data set, or one modality's way to it.
struct SuiteData {
  std::string name;
  std::vector<std::string> set;
  static Schema<SuiteData> schema();
};

/// SUITE.toml: methods × data × seeds under one budget.
struct Suite {
  std::string name;
  std::vector<std::int64_t> seeds = {0, 1, 2};
  std::string budget = "samples";
  std::int64_t amount = 0;
  std::int64_t parallel = 1;
  std::string measure = "linear";
  std::vector<std::string> set;
  std::vector<SuiteData> data;
  std::vector<SuiteMethod> method;
  static Schema<Suite> schema();

  /// "64000 samples a run": what every run may spend.
  std::string budget_text() const;
};

/// One training of a suite: what `cairn train` is given beside --run.
struct SuiteRun {
  std::string method, data;
  std::int64_t seed = 0;
  std::string folder;  // of the run, below the suite's
  std::filesystem::path experiment;
  std::vector<std::string> set;
  std::shared_ptr<const ResolvedDocument> document = {};  // the experiment as it will run, its steps apart
  std::int64_t batch_size = 0;
};

/// Reads and checks a suite. ExperimentError with every problem, ConfigError for names and seeds that are not unique.
Suite load_suite(const std::filesystem::path& file);

/// Every training of the suite, seed by seed, without its budget. `from` is the folder of the suite file.
std::vector<SuiteRun> plan_suite(const Suite& suite, const std::filesystem::path& from);

/// Reads the experiment of every run. ExperimentError with every problem of all of them.
void read_experiments(std::vector<SuiteRun>& runs, PluginLoader& loader);

/// Which keys of [encoder] and [modality] are not the same for all methods on a data set, in a sentence.
std::string differences(const std::vector<SuiteRun>& runs);

/// A name as a folder: letters, digits, dots, minus; everything else an underscore.
std::string folder_name(const std::string& name);

}  // namespace cairn
