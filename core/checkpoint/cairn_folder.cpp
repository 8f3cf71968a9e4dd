#include "checkpoint/cairn_folder.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/json_file.h"
#include "checkpoint/json_value.h"
#include "checkpoint/safetensors.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr const char* kTensors = "model.safetensors";
constexpr std::array<std::pair<const char*, PatchNorm>, 3> kPatchNorms = {
    {{"none", PatchNorm::none}, {"patch", PatchNorm::patch}, {"patch_channel", PatchNorm::patch_channel}}};
constexpr std::array kAxes = {Axis::time, Axis::height, Axis::width, Axis::frequency, Axis::channel, Axis::other};

[[noreturn]] void damaged(const fs::path& path, const std::string& what) {
  throw DataError(what, path.string(), "convert the network again");
}

Json network_json(const PublishedNetwork& network) {
  Json json = {{"component", network.component}, {"options", to_json(Value(network.options))}};
  if (network.output_width > 0) json["output_width"] = network.output_width;
  if (network.input_width > 0) json["input_width"] = network.input_width;
  return json;
}

void add_tensors(const std::string& part, const PublishedNetwork& network, TensorMap& all) {
  for (const auto& [name, tensor] : network.weights) all[part + "." + name] = tensor;
}

Value::Table options_of(const nlohmann::json& json, const fs::path& path) {
  const Value options = from_json(json.value("options", nlohmann::json::object()));
  const auto* table = std::get_if<Value::Table>(&options.data);
  if (table == nullptr) damaged(path, "the options of a part are no table");
  return *table;
}

PublishedNetwork take_network(const nlohmann::json& json, const std::string& part, TensorMap& all,
                              const fs::path& path) {
  PublishedNetwork network{options_of(json, path),
                           {},
                           json.value("output_width", std::int64_t{0}),
                           json.value("component", ""),
                           json.value("input_width", std::int64_t{0})};
  const std::string head = part + ".";
  for (auto it = all.lower_bound(head); it != all.end() && it->first.starts_with(head); it = all.erase(it))
    network.weights[it->first.substr(head.size())] = it->second;
  return network;
}

std::vector<Axis> axes_of(const nlohmann::json& names, const fs::path& path) {
  std::vector<Axis> axes;
  for (const auto& name : names) {
    const auto* found =
        std::find_if(kAxes.begin(), kAxes.end(), [&](Axis axis) { return name == std::string(axis_name(axis)); });
    if (found == kAxes.end()) damaged(path, "there is no axis " + name.dump());
    axes.push_back(*found);
  }
  return axes;
}

Json reconstruction_json(const Reconstruction& goal) {
  const auto* norm = std::ranges::find(kPatchNorms, goal.norm, [](const auto& entry) { return entry.second; });
  return {{"patch_norm", norm->first}, {"mask_ratio", goal.mask_ratio}, {"is_unnormalised", goal.is_unnormalised}};
}

Reconstruction reconstruction_of(const nlohmann::json& json, const fs::path& path) {
  const auto name = json.at("patch_norm").get<std::string>();
  const auto* norm = std::ranges::find(kPatchNorms, name, [](const auto& entry) { return entry.first; });
  if (norm == kPatchNorms.end()) damaged(path, "there is no patch_norm '" + name + "'");
  return {norm->second, json.at("mask_ratio").get<double>(), json.at("is_unnormalised").get<bool>()};
}

PublishedModel read_checked(const JsonFile& file, const fs::path& folder) {
  const nlohmann::json& json = file.json();
  if (json.value("format", 0) != kFormat)
    throw DataError("the folder has format " + json.value("format", nlohmann::json()).dump() +
                        ", and this version reads " + std::to_string(kFormat),
                    file.path().string(), "use the version of Cairn that wrote it, or a later one");
  PublishedModel model;
  model.format = "converted network";
  const auto& tokenizer = json.at("tokenizer");
  model.tokenizer = {tokenizer.at("channels").get<std::int64_t>(),
                     tokenizer.at("patch").get<std::vector<std::int64_t>>(),
                     axes_of(tokenizer.at("axes"), file.path())};
  model.grid = {json.at("grid").get<std::vector<std::int64_t>>(), model.tokenizer.axes};
  const auto& patch = model.tokenizer.patch;
  const auto positive = [](std::int64_t n) { return n > 0; };
  if (patch.empty() || patch.size() != model.grid.axes.size() || patch.size() != model.grid.extent.size() ||
      model.tokenizer.channels < 1 || !std::all_of(patch.begin(), patch.end(), positive) ||
      !std::all_of(model.grid.extent.begin(), model.grid.extent.end(), positive))
    damaged(file.path(), "patch, axes and grid do not go together");
  model.shows_class_token = json.value("shows_class_token", false);
  TensorMap all = read_safetensors(folder / kTensors).tensors;
  model.encoder = take_network(json.at("encoder"), "encoder", all, file.path());
  if (json.contains("projector")) model.projector = take_network(json["projector"], "projector", all, file.path());
  if (json.contains("predictor")) model.predictor = take_network(json["predictor"], "predictor", all, file.path());
  if (!all.empty()) damaged(folder / kTensors, "the tensor '" + all.begin()->first + "' belongs to no part");
  if (json.contains("data"))
    model.data = PublishedData{json["data"].value("component", ""), options_of(json["data"], file.path())};
  if (json.contains("reconstruction")) model.reconstruction = reconstruction_of(json["reconstruction"], file.path());
  return model;
}

}  // namespace

void write_cairn_folder(AtomicFolder& folder, const PublishedModel& model) {
  Json axes = Json::array();
  for (const Axis axis : model.tokenizer.axes) axes.push_back(axis_name(axis));
  Json json = {
      {"format", kFormat},
      {"tokenizer", {{"channels", model.tokenizer.channels}, {"patch", model.tokenizer.patch}, {"axes", axes}}},
      {"grid", model.grid.extent},
      {"shows_class_token", model.shows_class_token},
      {"encoder", network_json(model.encoder)}};
  TensorMap all;
  add_tensors("encoder", model.encoder, all);
  if (model.projector) {
    json["projector"] = network_json(*model.projector);
    add_tensors("projector", *model.projector, all);
  }
  if (model.predictor) {
    json["predictor"] = network_json(*model.predictor);
    add_tensors("predictor", *model.predictor, all);
  }
  if (model.data)
    json["data"] = {{"component", model.data->component}, {"options", to_json(Value(model.data->options))}};
  if (model.reconstruction) json["reconstruction"] = reconstruction_json(*model.reconstruction);
  folder.write_file(kCairnFile, json.dump(1) + "\n");
  folder.write_file(kTensors, [&](FileWriter& writer) { write_safetensors(writer, all, {{"format", "cairn"}}); });
}

PublishedModel read_cairn_folder(const fs::path& folder) {
  const JsonFile file(folder / kCairnFile);
  try {
    return read_checked(file, folder);
  } catch (const nlohmann::json::exception&) {
    damaged(file.path(), "the file does not say what a converted network must say");
  }
}

}  // namespace cairn
