#include <catch2/catch.hpp>

#include "checkpoint/option_table.h"

using cairn::option_or;
using cairn::Value;

TEST_CASE("an option that is a number may be written as an integer", "[options]") {
  const Value::Table options = {{"share", Value(std::int64_t{1})}, {"name", Value(std::string("a"))}};
  CHECK(option_or(options, "share", 0.05) == 1.0);
  CHECK(option_or(options, "share", std::int64_t{7}) == 1);
  CHECK(option_or(options, "name", 0.05) == 0.05);
  CHECK(option_or(options, "absent", 0.05) == 0.05);
}
