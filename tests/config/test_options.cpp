#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "cairn/options.h"
#include "interface/suggest.h"

namespace cairn {
namespace {

enum class Colour : std::uint8_t { red, green };

struct Inner {
  std::int64_t count = 1;
  static Schema<Inner> schema() {
    Schema<Inner> s("inner");
    s.option("count", &Inner::count, "how many").required().at_least(1);
    return s;
  }
};

struct Outer {
  bool flag = true;
  std::int64_t steps = 10;
  double lr = 0.5;
  std::string name = "x";
  std::array<double, 2> pair = {1, 2};
  std::vector<std::int64_t> sizes = {3};
  std::vector<Inner> groups;
  Colour colour = Colour::green;
  static Schema<Outer> schema() {
    Schema<Outer> s("outer");
    s.option("flag", &Outer::flag, "a flag");
    s.option("steps", &Outer::steps, "steps").range(8, 64).multiple_of(8);
    s.option("lr", &Outer::lr, "rate").at_least(0);
    s.option("name", &Outer::name, "a name");
    s.option("pair", &Outer::pair, "two numbers").range(0, 5);
    s.option("sizes", &Outer::sizes, "sizes");
    s.option("groups", &Outer::groups, "tables");
    s.option<Colour>("colour", &Outer::colour, {{"red", Colour::red}, {"green", Colour::green}}, "a colour");
    return s;
  }
};

std::string problem(const char* name, Value value) {
  const auto schema = Outer::schema();
  return schema.find(name)->problem(value).value_or("");
}

Value integer(std::int64_t n) { return Value(n); }

}  // namespace

TEST_CASE("values read as TOML writes them") {
  CHECK(Value(true).text() == "true");
  CHECK(integer(-3).text() == "-3");
  CHECK(Value(1.0).text() == "1.0");
  CHECK(Value(1e-5).text() == "1e-05");
  CHECK(Value(0.1).text() == "0.1");
  CHECK(Value(std::string("a\"b\\c\n\x01")).text() == "\"a\\\"b\\\\c\\n\\u0001\"");
  CHECK(Value(Value::Array{integer(1), Value(0.5)}).text() == "[1, 0.5]");
  CHECK(Value(Value::Table{{"a", integer(1)}, {"b c", Value(true)}}).text() == "{ a = 1, \"b c\" = true }");
  CHECK(Value(Value::Array{integer(1), Value(0.5)}).kind_text() == "an array of 2 numbers");
  CHECK(Value(Value::Array{integer(1)}).kind_text() == "an array of 1 integer");
  CHECK(Value(Value::Array{integer(1), Value(true)}).kind_text() == "an array of 2 values");
  CHECK(Value(Value::Array{}).kind_text() == "an empty array");
}

TEST_CASE("a wrong value is named in the user's terms") {
  CHECK(problem("steps", integer(16)).empty());
  CHECK(problem("steps", integer(7)) == "must be between 8 and 64, is 7");
  CHECK(problem("steps", integer(9)) == "must be a multiple of 8, is 9");
  CHECK(problem("steps", Value(std::string("x"))) == "wants an integer, got the string \"x\"");
  CHECK(problem("steps", Value(16.0)) == "wants an integer, got the number 16.0");
  CHECK(problem("lr", integer(3)).empty());
  CHECK(problem("lr", Value(-0.5)) == "must be at least 0, is -0.5");
  CHECK(problem("lr", Value(std::nan(""))) == "must be a number, is nan");
  CHECK(problem("flag", integer(1)) == "wants true or false, got the integer 1");
  CHECK(problem("pair", Value(Value::Array{integer(1), integer(2), integer(3)})) == "needs 2 numbers, got 3");
  CHECK(problem("pair", Value(Value::Array{integer(1), integer(9)})) == "element 2 must be between 0 and 5, is 9");
  CHECK(problem("pair", integer(1)) == "wants an array of 2 numbers, got the integer 1");
  CHECK(problem("sizes", Value(Value::Array{Value(1.5)})) == "element 1 wants an integer, got the number 1.5");
  CHECK(problem("colour", Value(std::string("blue"))) == "must be one of \"red\", \"green\", is \"blue\"");
  CHECK(problem("groups", Value(Value::Array{Value(Value::Table{})})) == "element 1 lacks the key 'count'");
  CHECK(problem("groups", Value(Value::Array{Value(Value::Table{{"cout", integer(1)}})})) ==
        "element 1 has the unknown key 'cout'");
}

TEST_CASE("a schema reads values into its struct and keeps the defaults of the rest") {
  const Outer all =
      Outer::schema().parse({{"steps", integer(16)},
                             {"lr", integer(2)},
                             {"pair", Value(Value::Array{integer(3), Value(4.5)})},
                             {"colour", Value(std::string("red"))},
                             {"groups", Value(Value::Array{Value(Value::Table{{"count", integer(5)}})})}});
  CHECK(all.steps == 16);
  CHECK(all.lr == 2.0);
  CHECK(all.pair == std::array<double, 2>{3.0, 4.5});
  CHECK(all.colour == Colour::red);
  REQUIRE(all.groups.size() == 1);
  CHECK(all.groups[0].count == 5);
  CHECK(all.name == "x");
  CHECK(all.sizes == std::vector<std::int64_t>{3});
}

TEST_CASE("a schema refuses unknown, wrong and missing values with the key") {
  const auto key_of = [](const auto& schema, const Value::Table& values) -> std::string {
    try {
      schema.parse(values);
    } catch (const ConfigError& error) {
      return error.key();
    }
    return "nothing thrown";
  };
  CHECK(key_of(Outer::schema(), {{"stepz", integer(8)}}) == "stepz");
  CHECK(key_of(Outer::schema(), {{"steps", integer(1)}}) == "steps");
  CHECK(key_of(Inner::schema(), {}) == "count");
}

TEST_CASE("options describe themselves for listings") {
  const auto schema = Outer::schema();
  CHECK(schema.find("pair")->type_text() == "array of 2 reals");
  CHECK(schema.find("sizes")->type_text() == "array of integers");
  CHECK(schema.find("groups")->type_text() == "table array");
  CHECK(schema.find("steps")->limits_text() == "8 … 64, a multiple of 8");
  CHECK(schema.find("lr")->limits_text() == "at least 0");
  CHECK(schema.find("colour")->limits_text() == "one of: red, green");
  CHECK(schema.find("colour")->fallback == Value(std::string("green")));
  CHECK(schema.find("flag")->limits_text().empty());
  CHECK(schema.find("nothing") == nullptr);
}

TEST_CASE("suggestions count insertions, deletions, changes and swaps") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("spacial", "spatial") == 1);
  CHECK(edit_distance("lr", "rl") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  const std::vector<std::string> names = {"momentum", "lr", "spatial_scale"};
  CHECK(did_you_mean("spacial_scale", names) == "did you mean 'spatial_scale'?");
  CHECK(did_you_mean("rl", names) == "did you mean 'lr'?");
  CHECK(did_you_mean("banana", names).empty());
  CHECK(did_you_mean("LR", names) == "did you mean 'lr'?");
}

TEST_CASE("suggestions know abbreviations, and what a word is short for") {
  const std::vector<std::string> names = {"ema", "optim", "evaluate"};
  CHECK(did_you_mean("optimizer", names) == "did you mean 'optim'?");
  CHECK(did_you_mean("eval", names) == "did you mean 'evaluate'?");
  CHECK(did_you_mean("emanate", names).empty());
}

}  // namespace cairn
