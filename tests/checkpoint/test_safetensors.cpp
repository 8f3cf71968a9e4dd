#include <ATen/ATen.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/file_writer.h"
#include "checkpoint/safetensors.h"
#include "support/temporary_folder.h"

using cairn::read_safetensors;
using cairn::TensorMap;
using cairn::write_safetensors;
using cairn::test::read_text;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;

namespace {

std::string raw_file(const std::string& header, std::size_t data_size, std::uint64_t claimed_header) {
  std::string file(sizeof claimed_header, '\0');
  std::memcpy(file.data(), &claimed_header, sizeof claimed_header);
  return file + header + std::string(data_size, '\1');
}

std::string raw_file(const std::string& header, std::size_t data_size) {
  return raw_file(header, data_size, header.size());
}

std::string one_tensor(const std::string& type, const std::string& shape, const std::string& offsets) {
  return R"({"x":{"dtype":)" + type + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

std::string refusal(const std::string& content) {
  const TemporaryFolder folder;
  write_text(folder / "x.safetensors", content);
  try {
    read_safetensors(folder / "x.safetensors");
  } catch (const cairn::Error& error) {
    CHECK(error.where() == (folder / "x.safetensors").string());
    return error.message();
  }
  return "read without complaint";
}

TensorMap every_type() {
  TensorMap tensors;
  for (const auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort, at::kChar,
                          at::kByte, at::kBool}) {
    tensors[std::string("a.") + c10::toString(type)] = at::arange(7).remainder(2).to(type).reshape({7, 1});
  }
  tensors["scalar"] = at::scalar_tensor(2.5);
  tensors["empty"] = at::empty({3, 0, 2});
  tensors["strided"] = at::arange(12, at::kFloat).reshape({3, 4}).t();
  return tensors;
}

}  // namespace

TEST_CASE("every type, shape and metadata string survives a round trip") {
  const TemporaryFolder folder;
  const TensorMap tensors = every_type();
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"ä", "\"quoted\"\n"}};
  write_safetensors(folder / "x.safetensors", tensors, metadata);
  const auto file = read_safetensors(folder / "x.safetensors");
  CHECK(file.metadata == metadata);
  REQUIRE(file.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    INFO(name);
    const at::Tensor& read = file.tensors.at(name);
    CHECK(read.scalar_type() == tensor.scalar_type());
    CHECK(at::equal(read, tensor));
  }
}

TEST_CASE("the header is aligned to eight bytes, and equal content gives equal files") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", every_type());
  write_safetensors(folder / "y", every_type());
  const std::string text = read_text(folder / "x");
  CHECK(text == read_text(folder / "y"));
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, text.data(), sizeof header_size);
  CHECK(header_size % 8 == 0);
  CHECK(text[8] == '{');
}

TEST_CASE("a file without tensors is legal") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {});
  CHECK(read_safetensors(folder / "x").tensors.empty());
}

TEST_CASE("views outlive the file and its name, and writing to one leaves the file alone") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"weight", at::ones({1000})}});
  at::Tensor view = read_safetensors(folder / "x").tensors.at("weight");
  view.fill_(2);
  CHECK(at::equal(read_safetensors(folder / "x").tensors.at("weight"), at::ones({1000})));
  write_safetensors(folder / "x", {{"weight", at::zeros({1})}});
  CHECK(view.sum().item<float>() == 2000);
}

TEST_CASE("visiting sees each tensor once, in the order of the file") {
  const TemporaryFolder folder;
  const TensorMap tensors = {
      {"a", at::arange(5000, at::kInt)}, {"b", at::arange(5000, at::kDouble)}, {"c", at::ones({3}, at::kBool)}};
  write_safetensors(folder / "x", tensors);
  std::vector<std::string> seen;
  cairn::visit_safetensors(folder / "x", [&](const std::string& name, const at::Tensor& view) {
    seen.push_back(name);
    CHECK(at::equal(view, tensors.at(name)));
  });
  CHECK(seen == std::vector<std::string>{"b", "a", "c"});
}

TEST_CASE("a tensor at an odd place in a foreign file is read right") {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  std::string content = raw_file(header, 9);
  const float values[] = {1.5F, -2};
  std::memcpy(content.data() + content.size() - sizeof values, values, sizeof values);
  write_text(folder / "x", content);
  CHECK(at::equal(read_safetensors(folder / "x").tensors.at("b"), at::tensor({1.5F, -2.0F})));
}

TEST_CASE("hostile files are refused with a sentence") {
  const std::string good = one_tensor(R"("F32")", "[2,2]", "[0,16]");
  CHECK(refusal(raw_file(good, 16)) == "read without complaint");
  CHECK(refusal("") == "the file is too short for a safetensors file");
  CHECK(refusal("1234567") == "the file is too short for a safetensors file");
  CHECK(refusal(raw_file("", 0)) == "the header is no valid JSON");
  CHECK(refusal(raw_file(good, 16, 1 << 20)) == "the file ends within its header (is it truncated?)");
  CHECK(refusal(raw_file(good, 16, std::numeric_limits<std::uint64_t>::max())) ==
        "the header claims to be larger than 100 MB; this is no safetensors file");
  CHECK(refusal(raw_file(good, 15)) == "tensor 'x' lies beyond the end of the file (is it truncated?)");
  CHECK(refusal(raw_file(good, 17)) == "there are 1 bytes behind the last tensor");
  CHECK(refusal(raw_file(good.substr(0, good.size() - 1), 16)) == "the header is no valid JSON");
  CHECK(refusal(raw_file(good + "x", 16)) == "the header is no valid JSON");
  CHECK(refusal(raw_file("[1]", 0)) == "the header is no JSON object");
  CHECK(refusal(raw_file(R"({"x":[[[[]]]]})", 0)) == "the header is nested too deeply");
  CHECK(refusal(raw_file(std::string(100000, '['), 0)) == "the header is nested too deeply");
  CHECK(refusal(raw_file("{\"\xff\":1}", 0)) == "the header is no valid JSON");
  CHECK(refusal(raw_file(R"({"x":1})", 0)) == "tensor 'x' has no dtype");
  CHECK(refusal(raw_file(R"({"x":{"dtype":"F32","shape":[0]}})", 0)) == "tensor 'x' has no data_offsets");
}

TEST_CASE("hostile offsets are refused") {
  const auto offsets = [](const std::string& text) {
    return refusal(raw_file(one_tensor(R"("F32")", "[2,2]", text), 16));
  };
  const std::string not_whole = "tensor 'x' has data_offsets that are not two whole numbers from 0";
  CHECK(offsets("[-16,0]") == not_whole);
  CHECK(offsets("[0,16.0]") == not_whole);
  CHECK(offsets("[0,16,32]") == not_whole);
  CHECK(offsets("\"0-16\"") == not_whole);
  CHECK(offsets("[0,99999999999999999999999]") == not_whole);
  CHECK(offsets("[16,0]") == "tensor 'x' ends before it begins");
  CHECK(offsets("[0,18446744073709551615]") == "tensor 'x' lies beyond the end of the file (is it truncated?)");
  CHECK(offsets("[0,12]") == "tensor 'x' has 12 bytes where its shape needs 16");
  const auto two = [](const std::string& first, const std::string& second) {
    return refusal(raw_file(R"({"x":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
                                R"(},"y":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}",
                            12));
  };
  CHECK(two("[0,4]", "[3,7]") == "tensor 'y' overlaps another");
  CHECK(two("[0,4]", "[0,4]") == "tensor 'y' overlaps another");
  CHECK(two("[8,12]", "[0,4]") == "there is a gap in the data before tensor 'x'");
  CHECK(two("[4,8]", "[8,12]") == "there is a gap in the data before tensor 'x'");
}

TEST_CASE("hostile types and shapes are refused") {
  const auto tensor = [](const std::string& type, const std::string& shape) {
    return refusal(raw_file(one_tensor(type, shape, "[0,16]"), 16));
  };
  CHECK(tensor(R"("F64")", "[2,2]") == "tensor 'x' has 16 bytes where its shape needs 32");
  CHECK(tensor(R"("F99")", "[2,2]") == "tensor 'x' has dtype 'F99', which Cairn does not read");
  CHECK(tensor("7", "[2,2]") == "tensor 'x' has a dtype that is no string");
  CHECK(tensor(R"("F32")", "4") == "tensor 'x' has a shape that is no list");
  CHECK(tensor(R"("F32")", "[-2,-2]") == "tensor 'x' has a shape with something but whole numbers");
  const std::string too_large = "tensor 'x' has an impossibly large shape";
  CHECK(tensor(R"("F32")", "[4294967296,4294967296,4]") == too_large);
  CHECK(tensor(R"("F32")", "[9223372036854775808]") == too_large);
  CHECK(tensor(R"("F32")", "[0,9223372036854775807,9223372036854775807]") == too_large);
  std::string shape = "[1";
  for (int axis = 0; axis < 100; ++axis) shape += ",1";
  CHECK(tensor(R"("F32")", shape + "]") == "tensor 'x' has too many dimensions");
  CHECK(refusal(raw_file(one_tensor(R"("BOOL")", "[1]", "[0,1]"), 0) + "\7") ==
        "tensor 'x' holds booleans other than 0 and 1");
}

TEST_CASE("duplicate names are refused, also in metadata and within a tensor") {
  const std::string entry = R"("x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  CHECK(refusal(raw_file("{" + entry + "," + entry + "}", 1)) == "the header names 'x' twice");
  CHECK(refusal(raw_file(R"({"__metadata__":{"a":"1","a":"2"}})", 0)) == "the header names 'a' twice");
  CHECK(refusal(raw_file(R"({"x":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1)) ==
        "the header names 'dtype' twice");
  CHECK(refusal(raw_file(R"({"__metadata__":{"a":1}})", 0)) ==
        "__metadata__ holds something other than strings, at 'a'");
  CHECK(refusal(raw_file(R"({"__metadata__":"a"})", 0)) == "__metadata__ is no table of strings");
}

TEST_CASE("a flipped or missing byte anywhere is refused or read, never a crash") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", every_type(), {{"format", "pt"}});
  const std::string good = read_text(folder / "x");
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    CHECK_FALSE(refusal(bad).empty());
    CHECK(refusal(good.substr(0, at)) != "read without complaint");
  }
}

TEST_CASE("what is not a file is refused") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(read_safetensors(folder / "missing"), Catch::Contains("No such file or directory"));
  CHECK_THROWS_WITH(read_safetensors(folder.path()), Catch::Contains("is not a file"));
  const std::string pipe = (folder / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH(read_safetensors(pipe), Catch::Contains("is not a file"));
}

TEST_CASE("tensors that a file cannot hold are refused, and the old file stays") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"a", at::ones({1})}});
  const std::string before = read_text(folder / "x");
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"a", at::Tensor()}}), cairn::Error);
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"a", at::ones({1}, at::kComplexFloat)}}), cairn::Error);
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"__metadata__", at::ones({1})}}), cairn::Error);
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"\xff", at::ones({1})}}), cairn::Error);
  CHECK_THROWS_AS(write_safetensors(folder / "x", {}, {{"a", "\xff"}}), cairn::Error);
  CHECK_THROWS_AS(write_safetensors(folder / "no/x", {{"a", at::ones({1})}}), cairn::Error);
  CHECK(read_text(folder / "x") == before);
}
