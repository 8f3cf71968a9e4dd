#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cairn::tabular {

/// A table as text: rows of fields, and the line of its file that each row begins on.
struct Table {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::int64_t> lines;
};

/// Reads a CSV file (RFC 4180) whose first row names the columns. Rows with another number of fields are kept as they
/// are. DataError if there is no such file or no column.
Table read_csv(const std::filesystem::path& file);

/// How fields become numbers, as measured on some rows: numbers are standardised, texts become categories.
class Coding {
 public:
  /// `skip` is no feature (the label); a column in which any field is no number is one of categories, of which the
  /// `categories` most frequent are told apart.
  Coding(const Table& table, const std::vector<std::int64_t>& rows, std::int64_t skip, std::int64_t categories);

  /// Number of columns that are features.
  std::int64_t width() const { return static_cast<std::int64_t>(columns_.size()); }
  /// Values of each column: the number, whether it is missing, and one for each category.
  std::int64_t channels() const { return 2 + categories_; }
  /// A row, float [channels,width]. DataError for a row of another length.
  at::Tensor encode(const Table& table, std::int64_t row) const;

 private:
  struct Column {
    std::size_t place = 0;
    bool is_number = true;
    double mean = 0, deviation = 1;
    std::vector<std::string> categories;  // most frequent first
  };
  static Column measure(const Table& table, const std::vector<std::int64_t>& rows, std::size_t place,
                        std::int64_t categories);

  std::vector<Column> columns_;
  std::size_t fields_;
  std::int64_t categories_;
};

}  // namespace cairn::tabular
