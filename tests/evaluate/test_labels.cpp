#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "evaluate/features.h"
#include "evaluate/labels.h"
#include "support/temporary_folder.h"

namespace {

using namespace cairn;

/// Samples that have names and nothing else.
class Named : public SampleSource {
 public:
  explicit Named(std::vector<std::string> names) : names_(std::move(names)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(names_.size()); }
  Sample load(std::int64_t, Rng&) const override { return {}; }
  std::string name(std::int64_t index) const override { return names_.at(static_cast<std::size_t>(index)); }
  std::vector<std::string> classes() const override { return {}; }

 private:
  std::vector<std::string> names_;
};

LabelTable table_of(const test::TemporaryFolder& folder, const std::string& text) {
  test::write_text(folder.path() / "labels.csv", text);
  return LabelTable(folder.path() / "labels.csv");
}

const std::vector<std::int64_t> kAll = {0, 1, 2};

}  // namespace

TEST_CASE("a table gives classes by path, whatever stands before it") {
  test::TemporaryFolder folder;
  const LabelTable table = table_of(folder, "path,species\na/1.png,cat\nb/1.png,\"dog, big\"\n./2.png,cat\r\n");
  const Named source({"/data/a/1.png", "data/b/1.png", "/else/3.png"});
  CHECK(answer_names(Task::classes, table) == std::vector<std::string>{"cat", "dog, big"});
  const at::Tensor labels = table_labels(Task::classes, table, source)({}, kAll);
  CHECK(labels.equal(at::tensor({0, 1, -1}, at::kLong)));
  CHECK(known_rows(labels).equal(at::tensor({0, 1}, at::kLong)));
}

TEST_CASE("a table gives numbers and several labels") {
  test::TemporaryFolder folder;
  const LabelTable table = table_of(folder, "path,x,y\n1.png,1.5,0\n2.png,-2,1e1\n");
  const LabelTable several = table_of(folder, "path,x,y\n1.png,1,0\n2.png,0,1.0\n");
  const Named source({"1.png", "2.png", "3.png"});
  CHECK(answer_names(Task::values, table) == std::vector<std::string>{"x", "y"});
  CHECK(answer_names(Task::multi_label, several) == std::vector<std::string>{"x", "y"});
  const at::Tensor numbers = table_labels(Task::values, table, source)({}, kAll);
  CHECK(numbers.narrow(0, 0, 2).equal(at::tensor({1.5F, 0.0F, -2.0F, 10.0F}).view({2, 2})));
  CHECK(known_rows(numbers).equal(at::tensor({0, 1}, at::kLong)));
  const at::Tensor shares = table_labels(Task::multi_label, several, source)({}, kAll);
  CHECK(shares.narrow(0, 0, 2).equal(at::eye(2)));
  CHECK(known_rows(shares).equal(at::tensor({0, 1}, at::kLong)));
  CHECK_THROWS_WITH(table_labels(Task::multi_label, table, source)({}, kAll),
                    Catch::Contains("1.5 of 1.png in column 'x' is neither 0 nor 1"));
  CHECK_THROWS_WITH(answer_names(Task::classes, table), Catch::Contains("2 columns"));
}

TEST_CASE("a table that does not fit is refused with its line") {
  test::TemporaryFolder folder;
  const Named source({"1.png"});
  CHECK_THROWS_WITH(table_of(folder, "path,x\n1.png\n"), Catch::Contains("line 2 has 1 columns"));
  CHECK_THROWS_WITH(table_of(folder, "path\n1.png\n"), Catch::Contains("names no column"));
  CHECK_THROWS_AS(table_of(folder, "path,x\n"), DataError);
  CHECK_THROWS_AS(LabelTable(folder.path() / "none.csv"), DataError);
  CHECK_THROWS_WITH(table_of(folder, "path,x\n1.png,a\n./1.png,b\n"), Catch::Contains("line 3 contradicts"));
  CHECK(table_of(folder, "path,x\n1.png,a\n./1.png,a\n").rows().size() == 1);
  const LabelTable table = table_of(folder, "path,x\n1.png,tall\n");
  const std::vector<std::int64_t> first = {0};
  CHECK_THROWS_WITH(table_labels(Task::values, table, source)({}, first), Catch::Contains("'tall'"));
  for (const std::string cell : {"nan", "1e400", "-inf"}) {
    const LabelTable odd = table_of(folder, "path,x\n1.png," + cell + "\n");
    for (const Task task : {Task::values, Task::multi_label})
      CHECK_THROWS_WITH(table_labels(task, odd, source)({}, first), Catch::Contains("'" + cell + "' in column 'x'"));
  }
}

TEST_CASE("samples of one class cannot be asked for several") {
  Batch batch;
  batch.label = at::tensor({1, 0}, at::kLong);
  CHECK(carried_labels(Task::classes)(batch, {}).equal(batch.label));
  CHECK_THROWS_WITH(carried_labels(Task::multi_label)(batch, {}), Catch::Contains("one class each"));
  batch.extra["labels"] = at::ones({2, 3});
  CHECK(carried_labels(Task::multi_label)(batch, {}).equal(batch.extra["labels"]));
}
