// Data that needs no file: a table is drawn, then read like any other.
#include <array>

#include "cairn/rng.h"
#include "tabular_modality.h"

namespace cairn::tabular {
namespace {

constexpr std::size_t kColumns = 16, kTexts = 4, kHidden = 3;

/// Each row hangs on three hidden numbers; a column is a mixture of them with noise, the last four columns are cut into
/// three texts. The class is which of the hidden numbers have equal signs, so that no sum of columns tells it. One
/// field in fifty is missing.
Table draw(const DrawnOptions& options) {
  Rng rng(static_cast<std::uint64_t>(options.data_seed), Stream::user);
  std::array<std::array<double, kHidden>, kColumns> mix;
  for (auto& weights : mix)
    for (double& weight : weights) weight = rng.normal();
  Table table;
  table.name = "drawn";
  for (std::size_t column = 0; column < kColumns; ++column)
    table.columns.push_back(std::string("x") + std::to_string(column));
  table.columns.emplace_back("kind");
  for (std::int64_t row = 0; row < options.samples; ++row) {
    std::array<double, kHidden> hidden;
    for (double& value : hidden) value = rng.normal();
    const int kind = 2 * (hidden[0] * hidden[1] > 0) + (hidden[1] * hidden[2] > 0);
    std::vector<std::string> fields;
    for (std::size_t column = 0; column < kColumns; ++column) {
      double value = options.noise * rng.normal();
      for (std::size_t i = 0; i < kHidden; ++i) value += mix[column][i] * hidden[i];
      const bool is_text = column + kTexts >= kColumns;
      const std::string text = value < -1 ? "low" : value < 1 ? "middle" : "high";
      fields.push_back(rng.chance(0.02) ? "" : is_text ? text : std::to_string(value));
    }
    fields.push_back(std::string("k") + std::to_string(kind));
    table.rows.push_back(std::move(fields));
    table.lines.push_back(row + 2);
  }
  return table;
}

}  // namespace

Drawn::Drawn(const DrawnOptions& options) : TabularModality(draw(options), "kind", options) {}

Schema<DrawnOptions> DrawnOptions::schema() {
  Schema<DrawnOptions> s("Rows of a drawn table of 16 columns and four classes");
  s.option("samples", &DrawnOptions::samples, "rows of the table").range(20, 1 << 24);
  s.option("noise", &DrawnOptions::noise, "deviation of the noise on every number").range(0, 100);
  s.option("data_seed", &DrawnOptions::data_seed, "another number draws another table").at_least(0);
  RowOptions::describe(s);
  return s;
}

}  // namespace cairn::tabular
