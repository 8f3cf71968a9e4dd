#include "table.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <optional>

#include "cairn/csv.h"
#include "cairn/error.h"

namespace cairn::tabular {
namespace {

/// The number a field is, if it is a finite one.
std::optional<double> number(const std::string& field) {
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// The next row of the table, over several lines where a quoted cell is; `line` counts them.
bool read_row(std::istream& stream, std::vector<std::string>& cells, std::int64_t& line) {
  std::string row, more;
  if (!std::getline(stream, row)) return false;
  ++line;
  while (std::count(row.begin(), row.end(), '"') % 2 == 1 && std::getline(stream, more)) row += '\n' + more, ++line;
  cells = csv_cells(row);
  return true;
}

}  // namespace

Table read_csv(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw DataError("there is no such table, or it may not be read", file.string(), "set modality.path");
  Table table;
  table.name = file.string();
  std::int64_t line = 0;
  if (!read_row(stream, table.columns, line) || table.columns.size() < 2)
    throw DataError("its first row does not name two columns", file.string(), "separate columns by commas");
  std::vector<std::string> cells;
  for (std::int64_t first = line + 1; read_row(stream, cells, line); first = line + 1) {
    if (cells.size() == 1 && cells[0].empty()) continue;
    table.rows.push_back(std::move(cells));
    table.lines.push_back(first);
  }
  return table;
}

Coding::Coding(const Table& table, const std::vector<std::int64_t>& rows, std::int64_t skip, std::int64_t categories)
    : fields_(table.columns.size()), categories_(categories) {
  for (std::size_t place = 0; place < fields_; ++place)
    if (static_cast<std::int64_t>(place) != skip) columns_.push_back(measure(table, rows, place, categories));
}

Coding::Column Coding::measure(const Table& table, const std::vector<std::int64_t>& rows, std::size_t place,
                               std::int64_t categories) {
  Column column;
  column.place = place;
  std::map<std::string, std::int64_t> counts;
  double count = 0, sum = 0, squares = 0;
  for (const std::int64_t row : rows) {
    const auto& fields = table.rows[static_cast<std::size_t>(row)];
    if (fields.size() != table.columns.size() || fields[place].empty()) continue;
    ++counts[fields[place]];
    const auto value = number(fields[place]);
    column.is_number = column.is_number && value.has_value();
    count += 1, sum += value.value_or(0), squares += value.value_or(0) * value.value_or(0);
  }
  if (count > 0) column.mean = sum / count;
  if (count > 0)
    column.deviation = std::max(1e-6, std::sqrt(std::max(0.0, squares / count - column.mean * column.mean)));
  if (column.is_number) return column;
  for (const auto& [text, seen] : counts) column.categories.push_back(text);
  std::stable_sort(column.categories.begin(), column.categories.end(),
                   [&](const std::string& a, const std::string& b) { return counts[a] > counts[b]; });
  column.categories.resize(std::min(column.categories.size(), static_cast<std::size_t>(categories)));
  return column;
}

at::Tensor Coding::encode(const Table& table, std::int64_t row) const {
  const auto& fields = table.rows[static_cast<std::size_t>(row)];
  if (fields.size() != fields_)
    throw DataError("has " + std::to_string(fields.size()) + " fields, the first row names " + std::to_string(fields_),
                    table.name + ":" + std::to_string(table.lines[static_cast<std::size_t>(row)]), "mend the line");
  at::Tensor encoded = at::zeros({channels(), width()});
  auto values = encoded.accessor<float, 2>();
  for (std::int64_t i = 0; i < width(); ++i) {
    const Column& column = columns_[static_cast<std::size_t>(i)];
    const std::string& field = fields[column.place];
    const auto value = column.is_number ? number(field) : std::nullopt;
    if (value) values[0][i] = static_cast<float>((*value - column.mean) / column.deviation);
    values[1][i] = field.empty() || (column.is_number && !value) ? 1.0F : 0.0F;
    const auto found = std::find(column.categories.begin(), column.categories.end(), field);
    if (found != column.categories.end()) values[2 + (found - column.categories.begin())][i] = 1.0F;
  }
  return encoded;
}

}  // namespace cairn::tabular
