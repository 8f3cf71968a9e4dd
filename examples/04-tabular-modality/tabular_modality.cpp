// The one idea here: nothing in Cairn asks for pictures. A view is a tensor [C,columns] over one axis of the kind
// `other`, a token is a column, and maskers, encoders and objectives take it as it comes.
#include "tabular_modality.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "cairn/error.h"

namespace cairn::tabular {
namespace {

class RowSource : public SampleSource {
 public:
  RowSource(std::shared_ptr<const Table> table, std::shared_ptr<const Coding> coding, std::vector<std::int64_t> rows,
            std::int64_t label, const RowOptions& options, Purpose purpose)
      : table_(std::move(table)),
        coding_(std::move(coding)),
        rows_(std::move(rows)),
        label_(label),
        options_(options),
        purpose_(purpose) {
    for (const auto& fields : table_->rows)
      if (label_ >= 0 && fields.size() == table_->columns.size()) classes_.push_back(fields[place()]);
    std::sort(classes_.begin(), classes_.end());
    classes_.erase(std::unique(classes_.begin(), classes_.end()), classes_.end());
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(rows_.size()); }
  std::vector<std::string> classes() const override { return classes_; }
  std::string name(std::int64_t index) const override {
    return table_->name + ":" + std::to_string(table_->lines[static_cast<std::size_t>(row(index))]);
  }

  Sample load(std::int64_t index, Rng& rng) const override {
    const at::Tensor encoded = coding_->encode(*table_, row(index));
    Sample sample;
    sample.id = index;
    if (label_ >= 0) {
      const std::string& label = table_->rows[static_cast<std::size_t>(row(index))][place()];
      sample.label = std::lower_bound(classes_.begin(), classes_.end(), label) - classes_.begin();
    }
    if (purpose_ == Purpose::evaluate) return sample.views = {encoded}, sample;
    for (std::int64_t view = 0; view < options_.views; ++view) sample.views.push_back(corrupted(encoded, rng));
    return sample;
  }

 private:
  std::size_t place() const { return static_cast<std::size_t>(label_); }
  std::int64_t row(std::int64_t index) const { return rows_.at(static_cast<std::size_t>(index)); }

  /// A copy with some fields as another row has them.
  at::Tensor corrupted(const at::Tensor& encoded, Rng& rng) const {
    at::Tensor view = encoded.clone();
    for (std::int64_t column = 0; column < coding_->width(); ++column) {
      if (!rng.chance(options_.corruption)) continue;
      const std::int64_t other = row(rng.integer(0, size() - 1));
      if (table_->rows[static_cast<std::size_t>(other)].size() == table_->columns.size())
        view.select(1, column).copy_(coding_->encode(*table_, other).select(1, column));
    }
    return view;
  }

  std::shared_ptr<const Table> table_;
  std::shared_ptr<const Coding> coding_;
  std::vector<std::int64_t> rows_;
  std::int64_t label_;
  RowOptions options_;
  Purpose purpose_;
  std::vector<std::string> classes_;
};

std::int64_t column_of(const Table& table, const std::string& label) {
  if (label.empty()) return -1;
  const auto found = std::find(table.columns.begin(), table.columns.end(), label);
  if (found != table.columns.end()) return found - table.columns.begin();
  throw ConfigError("label", table.name + " has no column '" + label + "'", "its first row names the columns");
}

}  // namespace

TabularModality::TabularModality(Table table, const std::string& label, const RowOptions& options)
    : table_(std::make_shared<const Table>(std::move(table))), options_(options), label_(column_of(*table_, label)) {
  coding_ = std::make_shared<const Coding>(*table_, rows_of(Split::train), label_, options.categories);
}

/// Every k-th row is for testing, k being 1 / test_share.
std::vector<std::int64_t> TabularModality::rows_of(Split split) const {
  std::vector<std::int64_t> rows;
  const std::int64_t every = options_.test_share > 0 ? std::llround(1 / options_.test_share) : 0;
  for (std::int64_t row = 0; row < static_cast<std::int64_t>(table_->rows.size()); ++row)
    if ((every > 0 && row % every == every - 1) == (split == Split::test)) rows.push_back(row);
  return rows;
}

std::unique_ptr<SampleSource> TabularModality::open(Split split, Purpose purpose) const {
  auto rows = rows_of(split);
  if (rows.empty() && split == Split::test) return nullptr;
  if (rows.empty()) throw DataError("has no rows", table_->name, "set modality.path");
  return std::make_unique<RowSource>(table_, coding_, std::move(rows), label_, options_, purpose);
}

TokenizerSpec TabularModality::tokenizer() const { return {coding_->channels(), {1}, {Axis::other}}; }

std::vector<ViewLayout> TabularModality::views(Purpose purpose) const {
  const std::size_t count = purpose == Purpose::pretrain ? static_cast<std::size_t>(options_.views) : 1;
  return std::vector<ViewLayout>(count, {tokenizer().grid({coding_->width()}), ViewRole::global});
}

Schema<CsvOptions> CsvOptions::schema() {
  Schema<CsvOptions> s("Rows of a CSV file, a token for each column");
  s.option("path", &CsvOptions::path, "the file; its first row names the columns").path().required();
  s.option("label", &CsvOptions::label, "the column that is the class; empty: there is none");
  RowOptions::describe(s);
  return s;
}

}  // namespace cairn::tabular
