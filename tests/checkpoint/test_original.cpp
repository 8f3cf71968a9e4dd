#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "checkpoint/original_models.h"
#include "checkpoint/pickle_check.h"
#include "checkpoint/safetensors.h"
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

TEST_CASE("OrderedDicts, as modules save their weights, are dictionaries for LibTorch's reader") {
  using namespace std::string_literals;
  const std::string begin = "\x80\x02"s, name = "ccollections\nOrderedDict\nq\x00"s, key = "X\x01\x00\x00\x00w"s;
  // A module's state: its weights, and beside them an OrderedDict of versions, whose class is recalled.
  const std::string module = begin + name + ")Rq\x01(" + key + "K\x05u}" + key + "h\x00)Rsb."s;
  REQUIRE(name.size() == 27);
  CHECK(plain_pickle(module) == begin + "}q\x01(" + key + "K\x05u}" + key + "}s\x86."s);
  CHECK(plain_pickle(begin + "}q\x00."s) == begin + "}q\x00."s);
}

/// Adds a linear map or a norm.
void add(TensorMap& all, const std::string& name, std::vector<std::int64_t> shape) {
  all[name + ".weight"] = at::randn(shape);
  all[name + ".bias"] = at::randn({shape.front()});
}

/// Adds a block in timm's words.
void add_block(TensorMap& all, const std::string& name, std::int64_t width) {
  add(all, name + ".norm1", {width});
  add(all, name + ".norm2", {width});
  add(all, name + ".attn.qkv", {3 * width, width});
  add(all, name + ".attn.proj", {width, width});
  add(all, name + ".mlp.fc1", {2 * width, width});
  add(all, name + ".mlp.fc2", {width, 2 * width});
}

TensorMap below(const std::string& prefix, const TensorMap& tensors) {
  TensorMap all;
  for (const auto& [name, tensor] : tensors) all[prefix + name] = tensor;
  return all;
}

/// An encoder of pictures with a class token, in timm's words.
TensorMap pictures(std::int64_t channels = 3, std::int64_t tokens = 17, std::int64_t width = 32) {
  TensorMap all;
  add(all, "patch_embed.proj", {width, channels, 4, 4});
  all["cls_token"] = at::randn({1, 1, width});
  all["pos_embed"] = at::randn({1, tokens, width});
  add_block(all, "blocks.0", width);
  add_block(all, "blocks.1", width);
  add(all, "norm", {width});
  return all;
}

/// What is read of checkpoints with these tensors, a file each, beside this architecture.json.
PublishedModel read(const std::vector<TensorMap>& files,
                    const std::string& architecture = R"({"num_heads": 4, "predictor_num_heads": 4})") {
  const test::TemporaryFolder folder;
  if (!architecture.empty()) test::write_text(folder / "architecture.json", architecture);
  for (std::size_t i = 0; i < files.size(); ++i)
    write_safetensors(folder / (std::to_string(i) + ".safetensors"), files[i], {});
  return read_original_model(folder.path());
}

const Value& option(const PublishedNetwork& network, const char* name) {
  const Value* found = find_option(network.options, name);
  REQUIRE(found != nullptr);
  return *found;
}

TEST_CASE("heads are those of a published network of that width, or said beside the file") {
  CHECK(option(read({pictures(3, 17, 192)}, "").encoder, "heads").text() == "3");
  CHECK(option(read({pictures(3, 17, 192)}, R"({"num_heads": 6})").encoder, "heads").text() == "6");
  CHECK_THROWS_WITH(read({pictures()}, ""), Catch::Contains("0.safetensors: the file does not tell the number") &&
                                                Catch::Contains("architecture.json") && Catch::Contains("num_heads"));
  CHECK_THROWS_WITH(read({pictures()}, R"({"num_heads": 5})"),
                    Catch::Contains("architecture.json: 'num_heads' is 5, which does not divide a width of 32"));
  CHECK_THROWS_WITH(read({pictures()}, R"({"num_head": 4})"),
                    Catch::Contains("'num_head' is not known; did you mean 'num_heads'?"));
}

TEST_CASE("heads of a narrow predictor are said beside the file") {
  const auto golden = test::golden_case("original/ijepa");
  if (golden.empty()) return;
  const test::TemporaryFolder folder;
  std::filesystem::copy_file(golden / "ijepa.pth.tar", folder / "ijepa.pth.tar");
  CHECK_THROWS_WITH(read_original_model(folder.path()), Catch::Contains("\"num_heads\""));
  test::write_text(folder / "architecture.json", R"({"num_heads": 3})");
  CHECK_THROWS_WITH(read_original_model(folder.path()), Catch::Contains("\"predictor_num_heads\""));
}

TEST_CASE("V-JEPA 2.1: every tensor of encoder and predictor has its place") {
  TensorMap encoder, predictor;
  add(encoder, "patch_embed.proj", {24, 3, 2, 16, 16});
  add(encoder, "patch_embed_img.proj", {24, 3, 1, 16, 16});
  for (const char* mark : {"img_mod_embed", "video_mod_embed"}) {
    encoder[mark] = at::randn({1, 1, 24});
    predictor[mark] = at::randn({1, 1, 12});
  }
  for (int i = 0; i < 12; ++i) add_block(encoder, "blocks." + std::to_string(i), 24);
  for (int i = 0; i < 4; ++i) add(encoder, "norms_block." + std::to_string(i), {24});
  add(predictor, "predictor_embed.0", {24, 96});
  add(predictor, "predictor_embed.2", {12, 24});
  for (int i = 0; i < 3; ++i) predictor["mask_tokens." + std::to_string(i)] = at::randn({1, 1, 12});
  add_block(predictor, "predictor_blocks.0", 12);
  add(predictor, "predictor_norm", {12});
  add(predictor, "predictor_proj", {96, 12});
  add(predictor, "predictor_proj_context", {96, 12});
  TensorMap all = below("encoder/module.backbone.", encoder);
  all.merge(below("predictor/module.backbone.", predictor));

  const PublishedModel model = read({all});
  CHECK(model.gaps.empty());
  CHECK(model.encoder.weights.size() == encoder.size());
  CHECK(option(model.encoder, "levels").text() == "[2, 5, 8, 11]");
  CHECK(at::equal(model.encoder.weights.at("norm.weight"), encoder.at("norms_block.3.weight")));
  CHECK(model.encoder.weights.at("picture_embed.weight").sizes() == at::IntArrayRef({24, 768}));
  REQUIRE(model.predictor);
  CHECK(model.predictor->weights.at("mask_tokens").sizes() == at::IntArrayRef({3, 1, 12}));
  CHECK(model.predictor->weights.size() == predictor.size() - 2);
  CHECK(model.predictor->input_width == 96);
  CHECK(model.predictor->output_width == 96);
  CHECK(option(*model.predictor, "seen_outputs").text() == "true");
}

TEST_CASE("AudioMAE: the decoder of Swin blocks is read, without a place for the class token") {
  TensorMap all = pictures(1, 8 * 8 * 2 + 1);
  add(all, "decoder_embed", {16, 32});
  all["mask_token"] = at::randn({1, 1, 16});
  all["decoder_pos_embed"] = at::randn({1, 8 * 8 * 2 + 1, 16});
  add_block(all, "decoder_blocks.0", 16);
  all["decoder_blocks.0.attn.tau"] = at::ones({4});
  add(all, "decoder_blocks.0.attn.meta_mlp.fc1", {10, 2});
  add(all, "decoder_blocks.0.attn.meta_mlp.fc2", {4, 10});
  add(all, "decoder_norm", {16});
  add(all, "decoder_pred", {16, 16});
  const PublishedModel model = read({below("model/", all)});
  CHECK(model.gaps.empty());
  REQUIRE(model.predictor);
  CHECK(model.grid.extent == std::vector<std::int64_t>{16, 8});
  CHECK(model.predictor->weights.at("positions").size(1) == model.grid.count());
  CHECK(option(*model.predictor, "heads").text() == "4");
  CHECK(option(*model.predictor, "distance_width").text() == "10");
}

TEST_CASE("classifiers of originals: in the encoder's file, or in one beside it") {
  TensorMap tuned = pictures(), probed = pictures();
  add(tuned, "head", {5, 32});
  PublishedModel model = read({tuned});
  REQUIRE(model.head);
  CHECK(model.head->input == HeadInput::first);
  add(tuned, "fc_norm", {32});
  for (const char* part : {".weight", ".bias"}) tuned.erase(std::string("norm") + part);
  CHECK(read({tuned}).head->input == HeadInput::mean);

  add(probed, "head.1", {5, 32});
  probed["head.0.running_mean"] = at::ones({32});
  probed["head.0.running_var"] = at::full({32}, 4.0);
  model = read({below("model/", probed)});
  REQUIRE(model.head);
  CHECK(at::allclose(model.head->weights.at("linear.weight") * 2, probed.at("head.1.weight"), 1e-5));

  TensorMap linear;
  add(linear, "module.linear", {5, 4 * 32});
  model = read({pictures(), below("state_dict/", linear)});
  REQUIRE(model.head);
  CHECK(model.head->blocks == 4);
  CHECK(model.head->input == HeadInput::first);
  TensorMap narrow;
  add(narrow, "linear", {5, 33});
  CHECK_THROWS_WITH(read({pictures(), narrow}), Catch::Contains("takes 33 features"));
  CHECK_THROWS_WITH(read({linear}), Catch::Contains("a classifier without its encoder"));
  CHECK_THROWS_WITH(read({pictures(), pictures()}), Catch::Contains("two networks"));
}

TEST_CASE("registers have a place, or none") {
  TensorMap timm = pictures();
  timm["reg_token"] = at::randn({1, 4, 32});
  const at::Tensor table = at::randn({1, 21, 32}), patches = table.slice(1, 5);

  timm["pos_embed"] = table;
  const PublishedModel both = read({timm});
  CHECK(both.encoder.weights.at("positions").equal(at::cat({table.slice(1, 0, 1), patches}, 1)));
  CHECK(both.encoder.weights.at("registers").equal(timm.at("reg_token") + table.slice(1, 1, 5)));

  timm["pos_embed"] = patches;
  const PublishedModel none = read({timm});
  CHECK(none.encoder.weights.at("positions").equal(at::cat({at::zeros({1, 1, 32}), patches}, 1)));
  CHECK(none.encoder.weights.at("registers").equal(timm.at("reg_token")));

  timm["pos_embed"] = table.slice(1, 4);
  CHECK(read({timm}).encoder.weights.at("positions").equal(table.slice(1, 4)));

  timm["pos_embed"] = table;
  timm["reg_token"] = at::randn({1, 4, 31});
  CHECK_THROWS_WITH(read({timm}), Catch::Contains("registers have the shape [1, 4, 31]"));
}

TEST_CASE("names that a program of one's own put before an encoder's are taken off") {
  const TensorMap plain = pictures();
  for (const char* prefix : {"encoder.", "module.encoder.", "state_dict/model.", "model/vit.", "model/_orig_mod."})
    CHECK(read({below(prefix, plain)}).encoder.weights.size() == read({plain}).encoder.weights.size());
  TensorMap more = below("encoder.", plain);
  add(more, "projector", {8, 32});
  CHECK_THROWS_WITH(read({more}), Catch::Contains("left over: projector.weight"));
}

TEST_CASE("heads of student and teacher are no part of the encoder") {
  TensorMap both = below("student/backbone.", pictures());
  both.merge(below("teacher/backbone.", pictures()));
  for (const char* name : {"student/dino_head", "teacher/dino_head", "teacher/ibot_head"}) add(both, name, {4, 4});
  const PublishedModel model = read({both});
  REQUIRE(model.teacher);
  CHECK(model.gaps.size() == 3);
}

TEST_CASE("rotary positions, of which the file holds nothing, are refused") {
  TensorMap rotary = pictures();
  rotary.erase("pos_embed");
  CHECK_THROWS_WITH(read({rotary}), Catch::Contains("no table of positions") && Catch::Contains("DINOv3"));
  TensorMap eva = pictures();
  for (const std::string block : {"blocks.0", "blocks.1"}) {
    add(eva, block + ".mlp.fc1", {128, 32});
    eva.erase(block + ".attn.qkv.bias");
    for (const char* part : {".attn.q_bias", ".attn.v_bias"}) eva[block + part] = at::randn({32});
  }
  CHECK_THROWS_WITH(read({eva}), Catch::Contains("this is an EVA-02"));
}

TEST_CASE("positions are resized as the file's own library does") {
  // Files here are safetensors, as timm's are.
  const PublishedModel timm = read({pictures()}), dino = read({below("teacher/backbone.", pictures())});
  CHECK(std::get<bool>(option(timm.encoder, "resize_antialias").data));
  CHECK(option(timm.encoder, "resize_offset").text() == "0.0");
  CHECK_FALSE(std::get<bool>(option(dino.encoder, "resize_antialias").data));
  CHECK(option(dino.encoder, "resize_offset").text() == "0.1");
}

TEST_CASE("a SwiGLU with both maps in one matrix is told by its size") {
  TensorMap timm = pictures();
  for (const char* block : {"blocks.0", "blocks.1"}) add(timm, block + std::string(".mlp.fc1"), {128, 32});
  const PublishedModel model = read({timm});
  CHECK(model.encoder.weights.at("blocks.1.mlp.gate.weight").equal(timm.at("blocks.1.mlp.fc1.weight").slice(0, 64)));
  CHECK(std::get<bool>(option(model.encoder, "gated").data));
}

TEST_CASE("an encoder without a kernel is refused") {
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{32, 3, 4}, {32, 3, 0, 4}}) {
    TensorMap spoiled = pictures();
    spoiled["patch_embed.proj.weight"] = at::zeros(shape);
    CHECK_THROWS_WITH(read({spoiled}), Catch::Contains("no encoder with a patch embedding"));
  }
}

TEST_CASE("V-JEPA's attentive probe is read beside its encoder") {
  TensorMap encoder, probe;
  add(encoder, "patch_embed.proj", {48, 3, 2, 4, 4});
  add_block(encoder, "blocks.0", 48);
  add(encoder, "norm", {48});
  const std::string cross = "pooler.cross_attention_block.";
  probe["pooler.query_tokens"] = at::randn({1, 1, 48});
  add(probe, cross + "norm1", {48});
  add(probe, cross + "norm2", {48});
  add(probe, cross + "xattn.q", {48, 48});
  add(probe, cross + "xattn.kv", {96, 48});
  add(probe, cross + "mlp.fc1", {96, 48});
  add(probe, cross + "mlp.fc2", {48, 96});
  add_block(probe, "pooler.blocks.0", 48);
  add(probe, "linear", {7, 48});
  const PublishedModel model =
      read({below("encoder/module.backbone.", encoder), below("classifiers/0/module.", probe)});
  REQUIRE(model.head);
  CHECK(model.head->input == HeadInput::attentive);
  CHECK(model.head->pooler.blocks == 1);
  CHECK(model.head->pooler.heads == 16);
  CHECK(model.head->weights.size() == probe.size());
  probe.erase("linear.bias");
  CHECK_THROWS_WITH(read({below("encoder/", encoder), below("classifier/", probe)}), Catch::Contains("linear.bias"));
}

}  // namespace
