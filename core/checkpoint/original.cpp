#include "checkpoint/original.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/serialization/import_read.h>

#include <array>
#include <fstream>
#include <optional>
#include <regex>
#include <string_view>
#include <utility>

#include "cairn/error.h"

namespace cairn {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why, const std::string& advice = {}) {
  throw DataError(why, path.string(), advice);
}

void check_is_archive(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse(path, "the checkpoint cannot be opened", "check the path");
  std::array<char, 4> magic{};
  file.read(magic.data(), magic.size());
  if (!file || std::string_view(magic.data(), magic.size()) != std::string_view("PK\x03\x04", 4))
    refuse(path, "this is no PyTorch zip archive",
           "files of PyTorch before 1.6 must be loaded and saved again in Python");
}

/// Collects tensors below `value`; anything that is no plain data is refused.
void collect(const std::filesystem::path& path, const std::string& name, const at::IValue& value, Tensors& found) {
  if (value.isTensor()) {
    found[name] = value.toTensor();
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      std::string key;
      if (entry.key().isString()) {
        key = entry.key().toStringRef();
      } else if (entry.key().isInt()) {
        key = std::to_string(entry.key().toInt());
      } else {
        refuse(path, fmt::format("a key of dictionary '{}' is a {}", name, entry.key().tagKind()));
      }
      collect(path, name.empty() ? key : name + "/" + key, entry.value(), found);
    }
  } else if (value.isList()) {
    const auto items = value.toListRef();
    for (std::size_t i = 0; i < items.size(); ++i) collect(path, fmt::format("{}/{}", name, i), items[i], found);
  } else if (value.isTuple()) {
    const auto& items = value.toTupleRef().elements();
    for (std::size_t i = 0; i < items.size(); ++i) collect(path, fmt::format("{}/{}", name, i), items[i], found);
  } else if (!value.isScalar() && !value.isString() && !value.isNone() && !value.isBool()) {
    refuse(path, fmt::format("'{}' is a {}; only tensors, numbers, strings, lists and dictionaries are read", name,
                             value.tagKind()));
  }
}

/// The first sentence of what LibTorch's unpickler says.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// Tensors of one network, prefixes of its wrappers ("module.", "backbone.") taken off.
Tensors network(const Tensors& all, const std::string& key) {
  static const std::regex wrappers("module\\.|backbone\\.");
  Tensors found;
  for (auto it = all.lower_bound(key + "/"); it != all.end() && it->first.starts_with(key + "/"); ++it)
    found[std::regex_replace(it->first.substr(key.size() + 1), wrappers, "")] = it->second;
  return found;
}

/// A parameter of a transformer block in Cairn's words; nothing for a name that is none.
std::optional<std::string> block_name(const std::string& name) {
  static const std::regex form(
      "(?:predictor_)?blocks\\.(\\d+)\\.(norm1|norm2|attn\\.qkv|attn\\.proj|mlp\\.fc1|mlp\\.fc2)\\.(weight|bias)");
  std::smatch part;
  if (!std::regex_match(name, part, form)) return std::nullopt;
  std::string inner = part[2];
  if (inner == "attn.qkv") inner = "attention.qkv";
  if (inner == "attn.proj") inner = "attention.projection";
  return fmt::format("blocks.{}.{}.{}", part[1].str(), inner, part[3].str());
}

std::optional<std::string> renamed(const std::map<std::string, std::string>& names, const std::string& name) {
  if (auto block = block_name(name)) return block;
  const auto found = names.find(name);
  if (found == names.end()) return std::nullopt;
  return found->second;
}

void refuse_unknown(const std::filesystem::path& path, const std::string& network,
                    const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::string list;
  for (const std::string& name : names) list += "\n  " + name;
  refuse(path, fmt::format("{} of the {} are no part of I-JEPA or V-JEPA:{}",
                           names.size() == 1 ? "a parameter" : "parameters", network, list));
}

void check_table(const std::filesystem::path& path, const std::string& name, const at::Tensor& table,
                 std::int64_t width) {
  if (table.dim() != 3 || table.size(0) != 1 || (width > 0 && table.size(2) != width))
    refuse(path, fmt::format("the position table '{}' has the shape {}, which is not [1, tokens, {}]", name,
                             fmt::join(table.sizes(), " x "), width));
}

Tensors encoder(const std::filesystem::path& path, const std::string& key, const Tensors& source) {
  static const std::map<std::string, std::string> kNames = {{"patch_embed.proj.weight", "patch_embed.weight"},
                                                            {"patch_embed.proj.bias", "patch_embed.bias"},
                                                            {"norm.weight", "norm.weight"},
                                                            {"norm.bias", "norm.bias"}};
  Tensors result;
  std::vector<std::string> unknown;
  for (const auto& [name, tensor] : source) {
    if (name == "pos_embed") continue;
    const auto own = renamed(kNames, name);
    if (!own) unknown.push_back(name);
    if (own) result[*own] = name == "patch_embed.proj.weight" ? tensor.flatten(1) : tensor;
  }
  refuse_unknown(path, key, unknown);
  return result;
}

Tensors predictor(const std::filesystem::path& path, const Tensors& source) {
  static const std::map<std::string, std::string> kNames = {
      {"predictor_embed.weight", "embed.weight"},  {"predictor_embed.bias", "embed.bias"},
      {"predictor_norm.weight", "norm.weight"},    {"predictor_norm.bias", "norm.bias"},
      {"predictor_proj.weight", "project.weight"}, {"predictor_proj.bias", "project.bias"}};
  Tensors result;
  std::map<std::int64_t, at::Tensor> mask_tokens;
  std::vector<std::string> unknown;
  static const std::regex numbered("mask_tokens\\.(\\d{1,4})");
  for (const auto& [name, tensor] : source) {
    std::smatch number;
    if (name == "predictor_pos_embed") continue;
    if (name == "mask_token") {
      mask_tokens[0] = tensor;
    } else if (std::regex_match(name, number, numbered)) {
      mask_tokens[std::stoll(number[1])] = tensor;
    } else if (const auto own = renamed(kNames, name)) {
      result[*own] = tensor;
    } else {
      unknown.push_back(name);
    }
  }
  refuse_unknown(path, "predictor", unknown);
  std::vector<at::Tensor> tokens;
  for (const auto& [group, token] : mask_tokens) tokens.push_back(token);
  if (!tokens.empty()) result["mask_tokens"] = at::cat(tokens, 0);
  return result;
}

}  // namespace

Tensors read_pickled_tensors(const std::filesystem::path& path) {
  check_is_archive(path);
  Tensors found;
  try {
    caffe2::serialize::PyTorchStreamReader reader(path.string());
    collect(path, "",
            torch::jit::readArchiveAndTensors("data", "", "", std::nullopt, std::nullopt, std::nullopt, reader), found);
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    refuse(path, "the archive cannot be read: " + first_line(error.what_without_backtrace()),
           "only tensors, numbers, strings, lists and dictionaries are read, and no code is run");
  } catch (const std::exception& error) {
    refuse(path, "the archive cannot be read: " + first_line(error.what()));
  }
  return found;
}

OriginalCheckpoint read_original(const std::filesystem::path& path) {
  const Tensors all = read_pickled_tensors(path);
  const Tensors student = network(all, "encoder"), teacher = network(all, "target_encoder");
  const Tensors predicting = network(all, "predictor");
  const auto patch = student.find("patch_embed.proj.weight");
  if (patch == student.end() || patch->second.dim() < 3)
    refuse(path, "there is no encoder with a patch embedding in this file",
           "it must be a checkpoint of I-JEPA or V-JEPA");
  OriginalCheckpoint checkpoint;
  checkpoint.width = patch->second.size(0);
  checkpoint.channels = patch->second.size(1);
  checkpoint.patch = patch->second.sizes().slice(2).vec();
  if (const auto table = student.find("pos_embed"); table != student.end()) {
    check_table(path, "encoder.pos_embed", table->second, checkpoint.width);
    checkpoint.tokens = table->second.size(1);
  }
  if (const auto table = predicting.find("predictor_pos_embed"); table != predicting.end()) {
    const auto embed = predicting.find("predictor_embed.weight");
    check_table(path, "predictor_pos_embed", table->second, embed == predicting.end() ? 0 : embed->second.size(0));
  }
  checkpoint.student = encoder(path, "encoder", student);
  checkpoint.teacher = encoder(path, "target_encoder", teacher);
  checkpoint.predictor = predictor(path, predicting);
  while (checkpoint.student.contains(fmt::format("blocks.{}.norm1.weight", checkpoint.depth))) ++checkpoint.depth;
  return checkpoint;
}

}  // namespace cairn
