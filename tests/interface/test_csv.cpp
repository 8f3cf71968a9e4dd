#include <catch2/catch.hpp>

#include "cairn/csv.h"

using cairn::csv_cells;
using Cells = std::vector<std::string>;

TEST_CASE("cells of CSV are what stands between commas, without blanks and line ends") {
  CHECK(csv_cells("a.wav,1,dog") == Cells{"a.wav", "1", "dog"});
  CHECK(csv_cells("--4gqARaEJE, 0.000, 10.000\r") == Cells{"--4gqARaEJE", "0.000", "10.000"});
  CHECK(csv_cells(" a b ,,") == Cells{"a b", "", ""});
  CHECK(csv_cells("") == Cells{""});
}

TEST_CASE("quotes keep commas, blanks and quotes") {
  CHECK(csv_cells(R"(x, "/m/09x0r,/m/04rlf" ,y)") == Cells{"x", "/m/09x0r,/m/04rlf", "y"});
  CHECK(csv_cells(R"(0,"a ""b"" c",z)") == Cells{"0", "a \"b\" c", "z"});
  CHECK(csv_cells(R"(" a ",b)") == Cells{" a ", "b"});
  CHECK(csv_cells(R"("""")") == Cells{"\""});
  CHECK(csv_cells(R"("a,b)") == Cells{"a,b"});
}
