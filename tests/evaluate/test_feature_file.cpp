#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "cairn/error.h"
#include "checkpoint/npy.h"
#include "checkpoint/row_file.h"
#include "checkpoint/safetensors.h"
#include "evaluate/feature_file.h"
#include "support/temporary_folder.h"

using namespace cairn;

TEST_CASE("what is written as .npy is read back") {
  test::TemporaryFolder folder;
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf, at::kLong, at::kInt, at::kByte}) {
    const at::Tensor x = at::arange(12, at::kFloat).view({4, 3}).to(type);
    RowFile file(folder.path() / "x.npy", "x");
    file.append({{"x", x}});
    file.finish();
    CHECK(read_npy(folder.path() / "x.npy").equal(x));
  }
}

TEST_CASE("a .npy file that is something else is refused") {
  test::TemporaryFolder folder;
  const auto path = folder.path() / "x.npy";
  const auto with_header = [&](std::string text, const std::string& data) {
    text.resize(117, ' ');
    std::ofstream(path, std::ios::binary) << std::string("\x93NUMPY\x01\x00\x76\x00", 10) << text << '\n' << data;
  };
  const std::string eight(8, 'x');
  with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", eight);
  CHECK(read_npy(path).sizes() == at::IntArrayRef({2}));
  with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", eight);
  CHECK_THROWS_WITH(read_npy(path), Catch::Contains("longer or shorter"));
  with_header("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", eight);
  CHECK_THROWS_WITH(read_npy(path), Catch::Contains("'>f4'"));
  with_header("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", eight);
  CHECK_THROWS_WITH(read_npy(path), Catch::Contains("column-major"));
  with_header("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", eight);
  CHECK_THROWS_AS(read_npy(path), DataError);
  with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999, 999999999999999999), }", eight);
  CHECK_THROWS_AS(read_npy(path), DataError);
  test::write_text(path, "\x93NUMPY");
  CHECK_THROWS_AS(read_npy(path), DataError);
  test::write_text(path, "hello");
  CHECK_THROWS_WITH(read_npy(path), Catch::Contains("not a .npy file"));
  CHECK_THROWS_AS(read_npy(folder.path() / "none.npy"), DataError);
}

TEST_CASE("feature sets come from folders of .npy, from tensors by name, and from extracted files") {
  test::TemporaryFolder folder;
  const FeatureSet drawn = draw_feature_set(20, 10, 4, 3, 0.5, 7);
  CHECK(drawn.train.x.equal(draw_feature_set(20, 10, 4, 3, 0.5, 7).train.x));
  TensorMap tensors = {
      {"train", drawn.train.x}, {"train_labels", drawn.train.y}, {"test", drawn.test.x}, {"test_labels", drawn.test.y}};
  for (auto& [name, tensor] : tensors) tensor = tensor.contiguous();
  write_safetensors(folder.path() / "f.safetensors", tensors);
  for (const auto& [name, tensor] : tensors) {
    RowFile file(folder.path() / (name + ".npy"), name);
    file.append({{name, tensor}});
    file.finish();
  }
  const at::Tensor split = at::cat({at::zeros({20}), at::ones({10})}).to(at::kByte);
  write_safetensors(folder.path() / "extracted.safetensors", {{"pooled", at::cat({drawn.train.x, drawn.test.x})},
                                                              {"label", at::cat({drawn.train.y, drawn.test.y})},
                                                              {"split", split}});
  for (const auto& path : {folder.path(), folder.path() / "f.safetensors", folder.path() / "extracted.safetensors"}) {
    const FeatureSet read = read_feature_set(path);
    CHECK(read.train.x.equal(drawn.train.x));
    CHECK(read.test.y.equal(drawn.test.y));
    CHECK(read.classes ==
          1 + std::max(drawn.train.y.max().item<std::int64_t>(), drawn.test.y.max().item<std::int64_t>()));
  }
  tensors["test"] = at::zeros({10, 5});
  write_safetensors(folder.path() / "f.safetensors", tensors);
  CHECK_THROWS_WITH(read_feature_set(folder.path() / "f.safetensors"), Catch::Contains("differ in width"));
  tensors.erase("test_labels");
  write_safetensors(folder.path() / "f.safetensors", tensors);
  CHECK_THROWS_WITH(read_feature_set(folder.path() / "f.safetensors"), Catch::Contains("'test_labels'"));
}
