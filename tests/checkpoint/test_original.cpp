#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "checkpoint/original_models.h"
#include "support/golden.h"
#include "support/temporary_folder.h"

namespace {

using namespace cairn;

TEST_CASE("student, teacher and predictor of the published checkpoints are told apart") {
  for (const char* name : {"original/ijepa", "original/jepa"}) {
    const auto folder = test::golden_case(name);
    if (folder.empty()) return;
    const PublishedModel model = read_original_model(folder);
    CHECK(model.gaps.empty());
    REQUIRE(model.teacher);
    REQUIRE(model.predictor);
    CHECK(model.encoder.weights.size() == model.teacher->weights.size());
    CHECK_FALSE(at::equal(model.encoder.weights.at("norm.weight"), model.teacher->weights.at("norm.weight")));
    CHECK(model.predictor->weights.at("mask_tokens").size(0) == (model.grid.extent.size() == 3 ? 2 : 1));
    CHECK_FALSE(model.encoder.weights.contains("positions"));
  }
}

/// What read_original_model says of a file with these bytes.
std::string complaint(const std::string& bytes) {
  const test::TemporaryFolder folder;
  test::write_text(folder / "x.pth.tar", bytes);
  try {
    read_original_model(folder / "x.pth.tar");
  } catch (const DataError& error) {
    return error.message();
  }
  return "no error";
}

TEST_CASE("files that are no checkpoints are refused with a sentence") {
  CHECK_THROWS_AS(read_original_model("/nowhere/x.pth.tar"), DataError);
  CHECK_THAT(complaint(""), Catch::Contains("no PyTorch zip archive"));
  CHECK_THAT(complaint("\x80\x02}q."), Catch::Contains("no PyTorch zip archive"));
  std::string beginning(104, 'x');
  beginning.replace(0, 4, "PK\x03\x04");
  CHECK_THAT(complaint(beginning), Catch::Contains("cannot be read"));
}

TEST_CASE("a truncated checkpoint, and one whose pickle asks for other classes, are refused") {
  const auto folder = test::golden_case("original/ijepa");
  if (folder.empty()) return;
  const std::string bytes = test::read_text(folder / "ijepa.pth.tar");
  CHECK_THAT(complaint(bytes.substr(0, bytes.size() / 2)), Catch::Contains("cannot be read"));
  std::string hostile = bytes;  // the same length, so that the archive stays sound but for its check sum
  const std::string global = "ccollections\nOrderedDict\n", other = "cposix000000\nsystem00000\n";
  const auto place = hostile.find(global);
  REQUIRE(place != std::string::npos);
  REQUIRE(global.size() == other.size());
  hostile.replace(place, other.size(), other);
  CHECK_THAT(complaint(hostile), Catch::Contains("cannot be read"));
}

}  // namespace
