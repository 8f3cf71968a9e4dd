#include "report/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "report/json_text.h"
#include "report/progress_bar.h"
#include "report/terminal.h"

namespace cairn {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kSmallestP = 0.001;  // that is written out

std::optional<double> number(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

const std::optional<double>& score_of(const ComparedRun& run, const std::string& measure) {
  return measure == "knn" ? run.knn : run.linear;
}

const std::optional<double>& untrained_of(const ComparedRun& run, const std::string& measure) {
  return measure == "knn" ? run.untrained_knn : run.untrained_linear;
}

/// Mean over the seeds; none where some were not measured.
std::optional<Interval> mean_of(const std::vector<std::optional<double>>& values) {
  std::vector<double> known;
  for (const auto& value : values)
    if (value) known.push_back(*value);
  return known.empty() || known.size() < values.size() ? std::nullopt : std::optional(mean_interval(known));
}

/// Mean of the values that are known.
std::optional<double> known_mean(const std::vector<double>& known) {
  return known.empty() ? std::nullopt : std::optional(mean_interval(known).value);
}

std::string percent(const std::optional<Interval>& measured) {
  if (!measured) return "-";
  const Interval& x = *measured;
  const double half = 50.0 * (x.high - x.low);
  return half > 0.0 ? fmt::format("{:.1f} ± {:.1f}", 100.0 * x.value, half) : fmt::format("{:.1f}", 100.0 * x.value);
}

/// "best", "p = 0.012", or "-" where too few seeds tell.
std::string against_best(const ComparedMethod& method, bool is_best) {
  if (is_best) return "best";
  if (method.scores.size() < 2) return "-";
  return method.p_to_best < kSmallestP ? fmt::format("p < {}", kSmallestP)
                                       : fmt::format("p = {:.3f}", method.p_to_best);
}

ComparedMethod summarise(const std::vector<const ComparedRun*>& runs, const std::string& measure) {
  ComparedMethod out;
  out.method = runs.front()->method;
  out.data = runs.front()->data;
  std::vector<std::optional<double>> linear, knn, untrained;
  std::vector<double> rates;
  for (const ComparedRun* run : runs) {
    const auto& score = score_of(*run, measure);
    ++out.runs;
    out.alarms += run->alarms;
    if (run->status != "done" || !score) {
      ++out.failed;
      continue;
    }
    out.seeds.push_back(run->seed);
    out.scores.push_back(*score);
    linear.push_back(run->linear);
    knn.push_back(run->knn);
    untrained.push_back(untrained_of(*run, measure));
    out.wall_seconds += run->wall_seconds;
    if (run->samples_per_second) rates.push_back(*run->samples_per_second);
    out.peak_memory_bytes += run->peak_memory_bytes;
    out.steps = run->steps;
  }
  const double count = std::max<double>(1.0, static_cast<double>(out.scores.size()));
  for (double* mean : {&out.wall_seconds, &out.peak_memory_bytes}) *mean /= count;
  out.samples_per_second = known_mean(rates);
  out.score = mean_interval(out.scores);
  out.linear = mean_of(linear);
  out.knn = mean_of(knn);
  out.untrained = mean_of(untrained);
  return out;
}

/// p of the paired test over the seeds that both have.
double p_between(const ComparedMethod& a, const ComparedMethod& b) {
  std::vector<double> left, right;
  for (std::size_t i = 0; i < a.seeds.size(); ++i)
    for (std::size_t j = 0; j < b.seeds.size(); ++j) {
      if (a.seeds[i] != b.seeds[j]) continue;
      left.push_back(a.scores[i]);
      right.push_back(b.scores[j]);
    }
  return paired_p(left, right);
}

using Row = std::vector<std::string>;

Row header(const Comparison& comparison) {
  const bool by_knn = comparison.measure == "knn";
  return {"data",
          "method",
          by_knn ? "kNN %" : "linear %",
          "untrained %",
          by_knn ? "linear %" : "kNN %",
          "against best",
          "steps",
          "time",
          "samples/s",
          "memory",
          "runs",
          "alarms"};
}

std::vector<Row> rows_of(const Comparison& comparison) {
  std::vector<Row> rows;
  std::string data = "\n";  // no data set's name
  for (const ComparedMethod& m : comparison.methods) {
    const bool is_first = m.data != data;
    data = m.data;
    if (m.scores.empty()) {
      rows.push_back({m.data, m.method, "-", "-", "-", "-", "-", "-", "-", "-", fmt::format("0 of {}", m.runs), "-"});
      continue;
    }
    rows.push_back({m.data, m.method, percent(m.score), percent(m.untrained),
                    percent(comparison.measure == "knn" ? m.linear : m.knn), against_best(m, is_first),
                    fmt::format("{}", m.steps), duration_text(m.wall_seconds),
                    m.samples_per_second ? fmt::format("{:.0f}", *m.samples_per_second) : "-",
                    fmt::format("{:.0f} MiB", m.peak_memory_bytes / (1 << 20)),
                    fmt::format("{} of {}", m.runs - m.failed, m.runs), fmt::format("{}", m.alarms)});
  }
  return rows;
}

std::string note(const Comparison& comparison) {
  return fmt::format(
      "{}: {}; ± is the 95 % interval of the mean over seeds (Student), p of the paired t-test over seeds "
      "against the best method of the data set.\n{}",
      comparison.name, comparison.budget, comparison.note.empty() ? "" : comparison.note + "\n");
}

Json interval_json(const std::optional<Interval>& x) {
  return x ? Json({{"value", x->value}, {"low", x->low}, {"high", x->high}}) : Json(nullptr);
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

void read_run(ComparedRun& run) {
  run.status = "missing";
  std::ifstream file(run.folder / "run.json");
  const Json json = Json::parse(file, nullptr, false);
  if (!json.is_object()) return;
  run.status = json.value("status", "missing");
  run.error = json.value("error", "");
  run.steps = static_cast<std::int64_t>(number(json, "step").value_or(0.0));
  run.wall_seconds = number(json, "wall_seconds").value_or(0.0);
  run.samples_per_second = number(json, "samples_per_second");
  run.flops_per_step = number(json, "flops_per_step").value_or(0.0);
  run.peak_memory_bytes = number(json, "peak_memory_bytes").value_or(0.0);
  if (const auto alarms = json.find("alarms"); alarms != json.end())
    run.alarms = static_cast<std::int64_t>(alarms->size());
  const auto results = json.find("results");
  if (results == json.end()) return;
  for (const Json& row : *results) {
    const std::string features = row.value("features", "");
    if (features == "untrained encoder") {
      run.untrained_linear = number(row, "linear");
      run.untrained_knn = number(row, "knn");
    } else if (features == "raw input") {
      run.raw_linear = number(row, "linear");
    } else {
      run.linear = number(row, "linear");
      run.knn = number(row, "knn");
      run.effective_rank = number(row, "effective_rank");
    }
  }
}

Comparison rank_runs(std::string name, std::string budget, std::string measure, std::vector<ComparedRun> runs) {
  Comparison out{std::move(name), std::move(budget), std::move(measure), {}, {}, std::move(runs)};
  std::vector<std::string> data;
  for (const ComparedRun& run : out.runs)
    if (std::find(data.begin(), data.end(), run.data) == data.end()) data.push_back(run.data);
  for (const std::string& set : data) {
    std::vector<std::pair<std::string, std::vector<const ComparedRun*>>> groups;
    for (const ComparedRun& run : out.runs) {
      if (run.data != set) continue;
      auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == run.method; });
      if (group == groups.end()) group = groups.insert(groups.end(), {run.method, {}});
      group->second.push_back(&run);
    }
    std::vector<ComparedMethod> methods;
    methods.reserve(groups.size());
    for (const auto& [method, members] : groups) methods.push_back(summarise(members, out.measure));
    std::stable_sort(methods.begin(), methods.end(), [](const auto& a, const auto& b) {
      return a.scores.empty() == b.scores.empty() ? a.score.value > b.score.value : b.scores.empty();
    });
    for (ComparedMethod& method : methods) method.p_to_best = p_between(methods.front(), method);
    out.methods.insert(out.methods.end(), methods.begin(), methods.end());
  }
  return out;
}

std::string comparison_table(const Comparison& comparison) {
  std::vector<Row> rows = rows_of(comparison);
  rows.insert(rows.begin(), header(comparison));
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - columns(row[i]), ' ');
      out += (i == 0 ? "" : "  ") + (i < 2 ? row[i] + space : space + row[i]);
    }
    out += "\n";
  }
  return out + note(comparison);
}

std::string comparison_markdown(const Comparison& comparison) {
  const auto line = [](const Row& row) {
    std::string out = "|";
    for (const std::string& cell : row) {
      out += " ";
      for (const char c : cell) out += c == '|' ? std::string("\\|") : std::string(1, c);
      out += " |";
    }
    return out + "\n";
  };
  const Row names = header(comparison);
  std::string out = line(names) + "|";
  for (std::size_t i = 0; i < names.size(); ++i) out += "---|";
  out += "\n";
  for (const Row& row : rows_of(comparison)) out += line(row);
  return out + "\n" + note(comparison);
}

std::string comparison_csv(const Comparison& comparison) {
  std::string out =
      "data,method,seed,status,linear,knn,untrained_linear,untrained_knn,raw_linear,effective_rank,steps,wall_seconds,"
      "samples_per_second,peak_memory_bytes,alarms,folder\n";
  const auto cell = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : std::string();
  };
  for (const ComparedRun& r : comparison.runs)
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{:.1f},{},{:.0f},{},{}\n", quoted(r.data), quoted(r.method),
                       r.seed, r.status, cell(r.linear), cell(r.knn), cell(r.untrained_linear), cell(r.untrained_knn),
                       cell(r.raw_linear), cell(r.effective_rank), r.steps, r.wall_seconds,
                       r.samples_per_second ? fmt::format("{:.1f}", *r.samples_per_second) : "", r.peak_memory_bytes,
                       r.alarms, quoted(r.folder.string()));
  return out;
}

std::string comparison_json(const Comparison& comparison) {
  Json out = {{"name", comparison.name}, {"budget", comparison.budget}, {"measure", comparison.measure},
              {"note", comparison.note}, {"methods", Json::array()},    {"runs", Json::array()}};
  for (const ComparedMethod& m : comparison.methods)
    out["methods"].push_back({{"data", m.data},
                              {"method", m.method},
                              {"score", interval_json(m.scores.empty() ? std::nullopt : std::optional(m.score))},
                              {"scores", m.scores},
                              {"linear", interval_json(m.linear)},
                              {"knn", interval_json(m.knn)},
                              {"untrained", interval_json(m.untrained)},
                              {"p_to_best", or_null(m.scores.size() < 2 ? std::nullopt : std::optional(m.p_to_best))},
                              {"steps", m.steps},
                              {"wall_seconds", m.wall_seconds},
                              {"samples_per_second", or_null(m.samples_per_second)},
                              {"peak_memory_bytes", m.peak_memory_bytes},
                              {"runs", m.runs},
                              {"failed", m.failed},
                              {"alarms", m.alarms}});
  for (const ComparedRun& r : comparison.runs)
    out["runs"].push_back({{"data", r.data},
                           {"method", r.method},
                           {"seed", r.seed},
                           {"folder", r.folder.string()},
                           {"status", r.status},
                           {"error", r.error},
                           {"linear", or_null(r.linear)},
                           {"knn", or_null(r.knn)},
                           {"steps", r.steps},
                           {"wall_seconds", r.wall_seconds}});
  return json_text(out) + "\n";
}

}  // namespace cairn
