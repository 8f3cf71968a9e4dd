#include "cli/suite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <set>

#include "cairn/error.h"
#include "config/layers.h"
#include "config/load.h"
#include "config/report.h"

namespace cairn {
namespace {

void check_unique(const char* table, const std::vector<std::string>& names) {
  std::map<std::string, std::string> seen;  // by folder
  for (const std::string& name : names) {
    const auto [other, is_new] = seen.emplace(folder_name(name), name);
    if (is_new) continue;
    const std::string what = other->second == name ? fmt::format("two of [[{}]] are called '{}'", table, name)
                                                   : fmt::format("'{}' and '{}' of [[{}]] would share the folder '{}'",
                                                                 other->second, name, table, other->first);
    throw ConfigError(fmt::format("{}.name", table), what,
                      "the names are folders and rows of the table: give each its own");
  }
}

/// Whether the table's key bears on what a score says: of [evaluate] those of the last probe.
bool bears_on_scores(const std::string& table, const std::string& key) {
  static const std::set<std::string> probe = {"final_train_samples", "final_test_samples", "segments", "neighbours"};
  return table != "evaluate" || probe.contains(key);
}

/// Keys of `table` whose values differ between two runs on the same data with the same seed.
std::vector<std::string> differing_keys(const std::vector<SuiteRun>& runs, const std::string& table) {
  std::map<std::string, std::map<std::string, std::set<std::string>>> values;  // by key, by data and seed
  for (const SuiteRun& run : runs) {
    const std::string group = fmt::format("{}\n{}", run.data, run.seed);
    for (const ResolvedTable& each : run.document->tables()) {
      if (each.path != table) continue;
      for (const ResolvedEntry& entry : each.entries)
        if (bears_on_scores(table, entry.key)) values[entry.key][group].insert(entry.value.text());
    }
  }
  std::vector<std::string> keys;
  for (const auto& [key, groups] : values)
    if (std::any_of(groups.begin(), groups.end(), [](const auto& group) { return group.second.size() > 1; }))
      keys.push_back(key);
  return keys;
}

/// ExperimentError for an experiment, of which every line would be a problem.
void refuse_experiment(const Setting& root) {
  if (root.find("objective") == nullptr || root.find("method") != nullptr) return;
  throw ExperimentError(describe({root.value_at, "an experiment, where a suite of them is wanted",
                                  "cairn train takes it; a suite names it in a [[method]]"}));
}

/// ExperimentError with every method whose experiment cannot be read, each with its place in the suite.
void check_experiments(const Suite& suite, const Setting& root, const std::filesystem::path& file) {
  ProblemReport report;
  const std::vector<Setting>& methods = root.find("method")->children;
  for (std::size_t i = 0; i < suite.method.size(); ++i) {
    const std::filesystem::path path = (file.parent_path() / suite.method[i].experiment).lexically_normal();
    const std::string fault = file_fault(path);
    if (!fault.empty())
      report.add({methods[i].find("experiment")->value_at, fmt::format("experiment '{}' {}", path.string(), fault),
                  "paths here are relative to " + file.string()});
  }
  report.raise();
}

template <class T>
std::vector<std::string> names_of(const std::vector<T>& items) {
  std::vector<std::string> names;
  names.reserve(items.size());
  for (const T& item : items) names.push_back(item.name);
  return names;
}

}  // namespace

Schema<SuiteMethod> SuiteMethod::schema() {
  Schema<SuiteMethod> s("One method of a suite");
  s.option("name", &SuiteMethod::name, "what tables and reports call it").required();
  s.option("experiment", &SuiteMethod::experiment, "its experiment, relative to the suite").required();
  s.option("set", &SuiteMethod::set, "overrides, as for --set");
  return s;
}

Schema<SuiteData> SuiteData::schema() {
  Schema<SuiteData> s("One data set of a suite");
  s.option("name", &SuiteData::name, "what tables and reports call it").required();
  s.option("set", &SuiteData::set, "overrides that lead to it, as for --set");
  return s;
}

Schema<Suite> Suite::schema() {
  Schema<Suite> s("A comparison: methods × data × seeds under one budget");
  s.option("name", &Suite::name, "what the report calls the suite; the file's name without its ending if empty");
  s.option("seeds", &Suite::seeds, "seeds that every method is trained with").at_least(0);
  s.option("budget", &Suite::budget,
           "what every run may spend: optimizer steps, training samples, seconds of training on this machine, or "
           "teraflops (10^12 operations of products, convolutions and attention)")
      .choices({"steps", "samples", "seconds", "teraflops"});
  s.option("amount", &Suite::amount, "how much of it").required().at_least(1);
  s.option("parallel", &Suite::parallel, "runs at a time").range(1, 1024);
  s.option("measure", &Suite::measure, "the probe that ranks").choices({"linear", "knn"});
  s.option("set", &Suite::set, "overrides of every run, as for --set");
  s.option("data", &Suite::data, "data sets; without any, each method's own");
  s.option("method", &Suite::method, "what is compared").required();
  return s;
}

std::string Suite::budget_text() const {
  return fmt::format("{} {} a run, {} seed{}", amount, budget == "seconds" ? "seconds of training" : budget,
                     seeds.size(), seeds.size() == 1 ? "" : "s");
}

Suite load_suite(const std::filesystem::path& file) {
  const auto schema = std::make_shared<Schema<Suite>>(Suite::schema());
  const Setting root = read_settings(file);
  refuse_experiment(root);
  Suite suite = schema->parse(check_settings(root, schema));
  if (suite.name.empty()) suite.name = file.stem().string();
  if (suite.method.empty()) throw ConfigError("method", "the suite compares nothing", "add a [[method]] table");
  if (suite.seeds.empty()) throw ConfigError("seeds", "the suite has no seed", "write seeds = [0, 1, 2]");
  if (std::set(suite.seeds.begin(), suite.seeds.end()).size() < suite.seeds.size())
    throw ConfigError("seeds", "a seed stands twice in the list", "the same run again tells nothing: name each once");
  check_unique("method", names_of(suite.method));
  check_unique("data", names_of(suite.data));
  check_experiments(suite, root, file);
  return suite;
}

std::vector<SuiteRun> plan_suite(const Suite& suite, const std::filesystem::path& from) {
  std::vector<SuiteRun> runs;
  const std::vector<SuiteData> data = suite.data.empty() ? std::vector<SuiteData>{{}} : suite.data;
  for (const std::int64_t seed : suite.seeds)
    for (const SuiteData& set : data)
      for (const SuiteMethod& method : suite.method) {
        SuiteRun run{method.name, set.name, seed, {}, (from / method.experiment).lexically_normal(), suite.set};
        for (const auto* more : {&set.set, &method.set}) run.set.insert(run.set.end(), more->begin(), more->end());
        run.set.push_back(fmt::format("seed={}", seed));
        run.folder = folder_name(method.name) + (set.name.empty() ? "" : "-" + folder_name(set.name)) +
                     fmt::format("-seed{}", seed);
        runs.push_back(std::move(run));
      }
  std::vector<std::string> folders;
  folders.reserve(runs.size());
  for (const SuiteRun& run : runs) folders.push_back(run.folder);
  check_unique("method", folders);
  return runs;
}

void read_experiments(std::vector<SuiteRun>& runs, PluginLoader& loader) {
  std::vector<std::string> problems;
  std::set<std::string> seen;
  for (SuiteRun& run : runs) {
    std::vector<std::string> sets = run.set;
    sets.emplace_back("train.steps=1");
    try {
      const Experiment experiment = load_experiment(run.experiment, sets, loader);
      run.document = experiment.document;
      run.batch_size = experiment.train.batch_size;
    } catch (const ExperimentError& error) {
      const std::string text = error.what();
      if (!seen.insert(text).second) continue;
      const bool is_of_suite = text.find("--set #") != std::string::npos;
      problems.push_back(is_of_suite ? fmt::format("of method '{}', with its `set` of the suite:\n{}", run.method, text)
                                     : text);
    }
  }
  if (!problems.empty()) throw ExperimentError(fmt::format("{}", fmt::join(problems, "\n")));
}

std::string differences(const std::vector<SuiteRun>& runs) {
  std::string text;
  for (const std::string table : {"encoder", "modality", "initial", "evaluate"}) {
    const std::vector<std::string> keys = differing_keys(runs, table);
    if (!keys.empty()) text += fmt::format("{}[{}] in {}", text.empty() ? "" : "; ", table, fmt::join(keys, ", "));
  }
  return text.empty() ? "all methods have the same [encoder] and [modality]" : "the methods differ: " + text;
}

std::string folder_name(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    out += std::isalnum(byte) || byte >= 0x80 || c == '.' || c == '-' || c == '+' ? c : '_';
  }
  return out;
}

}  // namespace cairn
