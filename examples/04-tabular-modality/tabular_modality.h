#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cairn/modality.h"
#include "cairn/options.h"
#include "table.h"

namespace cairn::tabular {

/// What both kinds of table have in common. The initialisers are the defaults.
struct RowOptions {
  std::int64_t categories = 8;
  std::int64_t views = 1;
  double corruption = 0;
  double test_share = 0.2;

  /// Adds these options to the schema of a struct derived from this one.
  template <class O>
  static void describe(Schema<O>& s);
};

/// Rows of a table. A token is a column: the grid has one axis, along which neighbours mean nothing.
class TabularModality : public Modality {
 public:
  /// `label` names the column that is the class; empty: there is none. ConfigError if there is no such column.
  TabularModality(Table table, const std::string& label, const RowOptions& options);

  std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const override;
  TokenizerSpec tokenizer() const override;
  std::vector<ViewLayout> views(Purpose purpose) const override;

 private:
  std::vector<std::int64_t> rows_of(Split split) const;

  std::shared_ptr<const Table> table_;
  RowOptions options_;
  std::int64_t label_;  // its column, -1: none
  std::shared_ptr<const Coding> coding_;
};

struct CsvOptions : RowOptions {
  std::string path, label;
  static Schema<CsvOptions> schema();
};

/// A CSV file.
class Csv : public TabularModality {
 public:
  explicit Csv(const CsvOptions& options) : TabularModality(read_csv(options.path), options.label, options) {}
};

struct DrawnOptions : RowOptions {
  std::int64_t samples = 2500;
  double noise = 0.5;
  std::int64_t data_seed = 0;
  static Schema<DrawnOptions> schema();
};

/// A drawn table of 16 columns and four classes.
class Drawn : public TabularModality {
 public:
  explicit Drawn(const DrawnOptions& options);
};

template <class O>
void RowOptions::describe(Schema<O>& s) {
  const auto option = [&]<class T>(const char* name, T RowOptions::*member, const char* doc) -> OptionSpec& {
    return s.option(name, static_cast<T O::*>(member), doc);
  };
  option("categories", &RowOptions::categories, "texts that are told apart in a column").range(0, 256);
  option("views", &RowOptions::views, "views of a row that are shown at once in training").range(1, 16);
  option("corruption", &RowOptions::corruption, "share of a view's fields taken from other rows (SCARF, Bahri 2022)")
      .range(0, 1);
  option("test_share", &RowOptions::test_share, "share of the rows that is for testing").range(0, 0.9);
}

}  // namespace cairn::tabular
