#include "evaluate/labels.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <set>

#include "cairn/csv.h"
#include "cairn/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

float number_of(const std::string& cell, const LabelTable& table, const std::string& column) {
  char* end = nullptr;
  const float value = std::strtof(cell.c_str(), &end);
  if (!cell.empty() && *end == '\0' && std::isfinite(value)) return value;
  throw DataError(fmt::format("'{}' in column '{}' is not a finite number", cell, column), table.path().string(),
                  "write numbers, or choose another --task");
}

at::Tensor class_labels(const LabelTable& table, const SampleSource& source, std::span<const std::int64_t> index) {
  const std::vector<std::string> names = answer_names(Task::classes, table);
  at::Tensor labels = at::full({static_cast<std::int64_t>(index.size())}, -1, at::kLong);
  for (std::size_t i = 0; i < index.size(); ++i) {
    const auto* cells = table.find(source.name(index[i]));
    if (cells == nullptr) continue;
    labels[static_cast<std::int64_t>(i)] = std::lower_bound(names.begin(), names.end(), cells->front()) - names.begin();
  }
  return labels;
}

/// DataError unless `value`, of a sample, says yes or no.
void check_share(float value, const std::string& sample, const LabelTable& table, const std::string& column) {
  if (value == 0.0F || value == 1.0F || std::isnan(value)) return;
  throw DataError(fmt::format("{} of {} in column '{}' is neither 0 nor 1", value, sample, column),
                  table.path().string(),
                  "write 1 for each class a sample has and 0 elsewhere, or choose --task values");
}

/// [B,C] of the columns; of 0 and 1 where they are classes of which a sample may have several.
at::Tensor number_labels(Task task, const LabelTable& table, const SampleSource& source,
                         std::span<const std::int64_t> index) {
  const auto width = static_cast<std::int64_t>(table.columns().size());
  std::vector<float> values;
  for (const std::int64_t i : index) {
    const auto* cells = table.find(source.name(i));
    for (std::size_t c = 0; c < table.columns().size(); ++c) {
      const std::string& column = table.columns()[c];
      values.push_back(cells != nullptr ? number_of((*cells)[c], table, column)
                                        : std::numeric_limits<float>::quiet_NaN());
      if (task == Task::multi_label) check_share(values.back(), source.name(i), table, column);
    }
  }
  return at::tensor(values).view({-1, width});
}

}  // namespace

LabelTable::LabelTable(const fs::path& path) : path_(path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) throw DataError("cannot read it, or it is empty", path.string());
  columns_ = csv_cells(line);
  columns_.erase(columns_.begin());
  if (columns_.empty())
    throw DataError("the first line names no column behind the path", path.string(),
                    "begin the file with a line such as: path,label");
  for (int number = 2; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \r") == std::string::npos) continue;
    std::vector<std::string> cells = csv_cells(line);
    if (cells.size() != columns_.size() + 1)
      throw DataError(
          fmt::format("line {} has {} columns, and the first line {}", number, cells.size(), columns_.size() + 1),
          path.string());
    const std::string key = fs::path(cells.front()).lexically_normal().generic_string();
    const std::vector<std::string> answers(cells.begin() + 1, cells.end());
    if (const auto known = rows_.try_emplace(key, answers).first; known->second != answers)
      throw DataError(fmt::format("line {} contradicts an earlier one about '{}'", number, cells.front()),
                      path.string(), "keep one of them");
  }
  if (rows_.empty()) throw DataError("there is no line behind the first one", path.string());
}

const std::vector<std::string>* LabelTable::find(const std::string& name) const {
  std::string rest = fs::path(name).lexically_normal().generic_string();
  while (true) {
    if (const auto found = rows_.find(rest); found != rows_.end()) return &found->second;
    const std::size_t slash = rest.find('/', rest.starts_with('/') ? 0 : 1);
    if (slash == std::string::npos) return nullptr;
    rest.erase(0, slash + 1);
  }
}

std::vector<std::string> LabelTable::unmatched(std::span<const SampleSource* const> sources) const {
  std::set<const std::vector<std::string>*> matched;
  for (const SampleSource* source : sources)
    for (std::int64_t i = 0; i < source->size(); ++i) matched.insert(find(source->name(i)));
  std::vector<std::string> paths;
  for (const auto& [path, cells] : rows_)
    if (!matched.contains(&cells)) paths.push_back(path);
  return paths;
}

std::vector<std::string> answer_names(Task task, const SampleSource& source) {
  if (task == Task::values)
    throw ConfigError("--task", "needs numbers to learn, and data carry classes only",
                      "give a table: --labels FILE.csv");
  return source.classes();
}

std::vector<std::string> answer_names(Task task, const LabelTable& table) {
  if (task != Task::classes) return table.columns();
  if (table.columns().size() != 1)
    throw DataError(fmt::format("there are {} columns behind the path, and a class is one", table.columns().size()),
                    table.path().string(), "keep one, or choose another --task");
  std::set<std::string> names;
  for (const auto& [path, cells] : table.rows()) names.insert(cells.front());
  return {names.begin(), names.end()};
}

ReadLabels carried_labels(Task task) {
  if (task != Task::multi_label)
    return [](const Batch& batch, std::span<const std::int64_t>) { return batch.label.cpu(); };
  return [](const Batch& batch, std::span<const std::int64_t>) {
    const auto found = batch.extra.find("labels");
    if (found == batch.extra.end())
      throw DataError("samples carry one class each, not several", "",
                      "leave out --task multi-label, or give a table: --labels FILE.csv");
    return found->second.to(at::kCPU, at::kFloat);
  };
}

ReadLabels table_labels(Task task, const LabelTable& table, const SampleSource& source) {
  return [task, &table, &source](const Batch&, std::span<const std::int64_t> index) {
    return task == Task::classes ? class_labels(table, source, index) : number_labels(task, table, source, index);
  };
}

}  // namespace cairn
