#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "cairn/error.h"
#include "checkpoint/original.h"
#include "checkpoint/safetensors.h"
#include "narrow.h"
#include "support/golden.h"
#include "support/temporary_folder.h"
#include "vit.h"

// The published checkpoints under the models of this plugin: what Cairn computes with them is what the originals do.
namespace {

using namespace cairn;
using transformer::Narrow;
using transformer::NarrowOptions;
using transformer::Vit;
using transformer::VitOptions;

using Tensors = std::map<std::string, at::Tensor>;

/// Copies every tensor; names and shapes must be the module's own.
void load(torch::nn::Module& module, const Tensors& source) {
  const at::NoGradGuard no_grad;
  const auto parameters = module.named_parameters();
  REQUIRE(parameters.size() == source.size());
  for (const auto& parameter : parameters) {
    INFO(parameter.key());
    REQUIRE(source.contains(parameter.key()));
    REQUIRE(source.at(parameter.key()).sizes() == parameter.value().sizes());
    parameter.value().data().copy_(source.at(parameter.key()));
  }
}

Vit encoder(const OriginalCheckpoint& file, const Tensors& weights, std::int64_t heads) {
  VitOptions options;
  options.preset = "";
  options.width = file.width;
  options.depth = file.depth;
  options.heads = heads;
  const std::vector<Axis> axes = file.patch.size() == 2 ? std::vector{Axis::height, Axis::width}
                                                        : std::vector{Axis::time, Axis::height, Axis::width};
  Vit vit(options, {{file.channels, file.patch, axes}, {}});
  load(vit, weights);
  return vit;
}

Narrow predictor(const OriginalCheckpoint& file, std::int64_t depth, std::int64_t heads) {
  NarrowOptions options;
  options.width = file.predictor.at("embed.weight").size(0);
  options.depth = depth;
  options.heads = heads;
  options.groups = file.predictor.at("mask_tokens").size(0);
  Narrow narrow(options, PredictorSetting{file.width, file.width, {}});
  load(narrow, file.predictor);
  return narrow;
}

/// |a - e| <= 1e-5 |e| + 1e-5 of the expected tensor's largest value, everywhere.
void check_equal(const std::string& name, const at::Tensor& actual, const at::Tensor& expected) {
  INFO(name << ": largest error " << (actual - expected).abs().max().item<double>() << ", largest value "
            << expected.abs().max().item<double>());
  REQUIRE(actual.sizes() == expected.sizes());
  CHECK(((actual - expected).abs() <= 1e-5 * expected.abs() + 1e-5 * expected.abs().max()).all().item<bool>());
}

at::Tensor normed_targets(const at::Tensor& tokens, const at::Tensor& ids) {
  return nn::gather_tokens(at::layer_norm(tokens, {tokens.size(-1)}, {}, {}, 1e-5), {ids});
}

TEST_CASE("I-JEPA's published checkpoints") {
  const auto folder = test::golden_case("original/ijepa");
  if (folder.empty()) return;
  const at::NoGradGuard no_grad;
  const OriginalCheckpoint file = read_original(folder / "ijepa.pth.tar");
  auto data = read_safetensors(folder / "case.safetensors").tensors;
  CHECK(file.patch == std::vector<std::int64_t>{16, 16});
  CHECK(file.depth == 2);
  CHECK(file.tokens == 16);
  Vit student = encoder(file, file.student, 3), teacher = encoder(file, file.teacher, 3);
  Narrow narrow = predictor(file, 2, 3);

  const TokenGrid grid{{4, 4}, {Axis::height, Axis::width}};
  const View view{data["input.image"], grid, ViewRole::global};
  const TokenSet context{data["input.context"]};
  const Encoded seen = student.encode(view, {context, {}, {}});
  const at::Tensor targets = teacher.encode(view, {}).tokens;
  check_equal("encoder", student.encode(view, {}).tokens, data["expect.encoder"]);
  check_equal("target_encoder", targets, data["expect.target_encoder"]);
  check_equal("context", seen.tokens, data["expect.context"]);

  std::vector<at::Tensor> predictions, wanted;
  for (const char* name : {"input.target.0", "input.target.1"}) {
    predictions.push_back(narrow.predict({seen, grid, context, grid, {data[name]}}));
    wanted.push_back(normed_targets(targets, data[name]));
  }
  check_equal("prediction", at::cat(predictions), data["expect.prediction"]);
  check_equal("loss", at::smooth_l1_loss(at::cat(predictions), at::cat(wanted)).view({1}), data["expect.loss"]);
}

TEST_CASE("V-JEPA's published checkpoints") {
  const auto folder = test::golden_case("original/jepa");
  if (folder.empty()) return;
  const at::NoGradGuard no_grad;
  const OriginalCheckpoint file = read_original(folder / "jepa.pth.tar");
  auto data = read_safetensors(folder / "case.safetensors").tensors;
  CHECK(file.patch == std::vector<std::int64_t>{2, 16, 16});
  Vit student = encoder(file, file.student, 3), teacher = encoder(file, file.teacher, 3);
  Narrow narrow = predictor(file, 2, 4);

  const TokenGrid grid{{4, 3, 3}, {Axis::time, Axis::height, Axis::width}};
  const View view{data["input.video"], grid, ViewRole::global};
  const TokenSet context{data["input.context"]}, asked{data["input.target"]};
  const Encoded seen = student.encode(view, {context, {}, {}});
  const at::Tensor targets = teacher.encode(view, {}).tokens;
  check_equal("encoder", student.encode(view, {}).tokens, data["expect.encoder"]);
  check_equal("target_encoder", targets, data["expect.target_encoder"]);
  check_equal("context", seen.tokens, data["expect.context"]);
  const auto answer = [&](int group) {
    return narrow.predict({seen, grid, context, grid, asked, Level::tokens, group});
  };
  check_equal("prediction of mask token 0", answer(0), data["expect.prediction.mask_token_0"]);
  check_equal("prediction of mask token 1", answer(1), data["expect.prediction.mask_token_1"]);
  check_equal("loss", at::l1_loss(answer(1), normed_targets(targets, asked.index)).view({1}),
              data["expect.loss.mask_token_1"]);
}

/// What read_original says of a file with these bytes.
std::string complaint(const std::string& bytes) {
  const test::TemporaryFolder folder;
  test::write_text(folder / "x.pth.tar", bytes);
  try {
    read_original(folder / "x.pth.tar");
  } catch (const DataError& error) {
    return error.message();
  }
  return "no error";
}

TEST_CASE("files that are no checkpoints are refused with a sentence") {
  CHECK_THROWS_AS(read_original("/nowhere/x.pth.tar"), DataError);
  CHECK_THAT(complaint(""), Catch::Contains("no PyTorch zip archive"));
  CHECK_THAT(complaint("\x80\x02}q."), Catch::Contains("no PyTorch zip archive"));
  CHECK_THAT(complaint(std::string("PK\x03\x04", 4) + std::string(100, 'x')), Catch::Contains("cannot be read"));
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
