#include <catch2/catch.hpp>

#include "report/run_labels.h"

using namespace cairn;

using Labels = std::vector<std::string>;

TEST_CASE("runs are called by their folders, with parents where names are the same") {
  const auto labels = [](std::vector<std::filesystem::path> folders) { return run_labels(folders); };
  CHECK(labels({"/a/first", "/a/second/"}) == Labels{"first", "second"});
  CHECK(labels({"/x/run", "/y/run", "/y/other"}) == Labels{"x/run", "y/run", "other"});
  CHECK(labels({"/a/x/run", "/b/x/run/", "/c/run"}) == Labels{"a/x/run", "b/x/run", "c/run"});
  CHECK(labels({"/run", "/x/run"}) == Labels{"run", "x/run"});
  CHECK(labels({"/x/../y/run", "/z/./run"}) == Labels{"y/run", "z/run"});
}
