// The reader and the coding of fields; what every modality must do is checked by `cairn conform`.
#include <ATen/ATen.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "cairn/error.h"
#include "table.h"

namespace cairn::tabular {
namespace {

namespace fs = std::filesystem;

void require(bool holds, const char* what) {
  if (holds) return;
  std::cerr << "failed: " << what << '\n';
  std::exit(1);
}

/// A file that goes with the object.
struct File {
  fs::path path = fs::temp_directory_path() / ("cairn-table-" + std::to_string(std::random_device()()) + ".csv");
  explicit File(const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
  ~File() { fs::remove(path); }
};

Table table_of(const std::string& text) { return read_csv(File(text).path); }

template <class F>
bool is_refused(F&& call) {
  try {
    call();
  } catch (const DataError&) {
    return true;
  }
  return false;
}

void test_csv() {
  const Table table = table_of("a,\"b, \"\"c\"\"\"\r\n1,\"x\ny\"\r\n\n,2");
  require(table.columns == std::vector<std::string>{"a", "b, \"c\""}, "quotes and commas in names");
  require(table.rows.size() == 2 && table.rows[0][1] == "x\ny" && table.rows[1][0].empty(), "fields");
  require(table.lines == std::vector<std::int64_t>{2, 5}, "rows know their line");
  require(is_refused([] { table_of(""); }), "an empty file");
  require(is_refused([] { read_csv("/nonexistent.csv"); }), "no file");
}

void test_coding() {
  const Table table = table_of("n,t,y\n1,red,a\n3,blue,b\n,red,a\n5,green,b\n1,2,3,4\n");
  const Coding coding(table, {0, 1, 2, 3, 4}, 2, 2);
  require(coding.width() == 2 && coding.channels() == 4, "the label is no feature");
  const at::Tensor first = coding.encode(table, 0), third = coding.encode(table, 2), fourth = coding.encode(table, 3);
  require(std::abs(first[0][0].item<double>() + 1.2247) < 1e-3, "numbers are standardised");
  require(third[0][0].item<double>() == 0 && third[1][0].item<double>() == 1, "a missing one is the mean, and marked");
  require(first[2][1].item<double>() == 1 && first[3][1].item<double>() == 0, "the most frequent text comes first");
  require(fourth.select(1, 1).sum().item<double>() == 0, "a rare text is none of them");
  require(is_refused([&] { coding.encode(table, 4); }), "a row of another length");
}

}  // namespace
}  // namespace cairn::tabular

int main() {
  cairn::tabular::test_csv();
  cairn::tabular::test_coding();
}
