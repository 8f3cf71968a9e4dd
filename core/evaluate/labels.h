#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "evaluate/features.h"
#include "evaluate/task.h"

namespace cairn {

/// A table of labels by sample: CSV whose first line names the columns and whose first column holds paths.
class CAIRN_API LabelTable {
 public:
  /// DataError, with the line, where it cannot be read, a line has another number of columns, or two contradict.
  explicit LabelTable(const std::filesystem::path& path);

  /// Names of the columns behind the path.
  const std::vector<std::string>& columns() const { return columns_; }
  /// The cells of a sample: of the longest path of the table that `name` ends with; null where there is none.
  const std::vector<std::string>* find(const std::string& name) const;
  const std::map<std::string, std::vector<std::string>>& rows() const { return rows_; }
  /// The paths that no sample of `sources` is found by.
  std::vector<std::string> unmatched(std::span<const SampleSource* const> sources) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::vector<std::string> columns_;
  std::map<std::string, std::vector<std::string>> rows_;
};

/// What the columns of answers are called: classes, or what is measured.
CAIRN_API std::vector<std::string> answer_names(Task task, const SampleSource& source);
CAIRN_API std::vector<std::string> answer_names(Task task, const LabelTable& table);

/// Labels that samples carry: Sample::label, or, where they may have several, the row of 0 and 1 under "labels" in
/// Sample::extra. DataError, when read, where samples have none.
CAIRN_API ReadLabels carried_labels(Task task);

/// Labels from a table: a column of class names, columns of 0 and 1, or columns of numbers. Samples that the table
/// lacks have none. DataError for a cell that is not what it should be.
CAIRN_API ReadLabels table_labels(Task task, const LabelTable& table, const SampleSource& source);

}  // namespace cairn
