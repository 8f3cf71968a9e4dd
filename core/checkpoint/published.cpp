#include "checkpoint/published.h"

#include <cmath>
#include <limits>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/json_file.h"
#include "checkpoint/original.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

fs::path only_checkpoint(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().string().ends_with(".pth.tar")) found.push_back(entry.path());
  if (found.size() != 1)
    throw DataError("the folder must hold one .pth.tar, and holds " + std::to_string(found.size()), folder.string());
  return found.front();
}

std::int64_t rows(const std::map<std::string, at::Tensor>& weights, const std::string& name, const fs::path& path) {
  const auto found = weights.find(name);
  if (found == weights.end()) throw DataError("the checkpoint has no '" + name + "'", path.string());
  return found->second.size(0);
}

Value::Table position_options(const JsonFile& sizes) {
  const bool x_first = sizes.value<std::string>("original", "") == "ijepa";
  return {{"position_order", Value(std::string(x_first ? "xy" : "yx"))},
          {"uniform_power", Value(sizes.value("uniform_power", true))}};
}

PublishedNetwork encoder(const JsonFile& sizes, std::map<std::string, at::Tensor> weights) {
  const std::int64_t width = sizes.size("embed_dim");
  PublishedNetwork network{position_options(sizes), std::move(weights)};
  network.options.insert(
      network.options.end(),
      {{"preset", Value(std::string())},
       {"width", Value(width)},
       {"depth", Value(sizes.size("depth"))},
       {"heads", Value(sizes.size("num_heads"))},
       {"mlp_ratio", Value(exact_ratio(rows(network.weights, "blocks.0.mlp.fc1.weight", sizes.path()), width))}});
  return network;
}

PublishedNetwork predictor(const JsonFile& sizes, std::map<std::string, at::Tensor> weights) {
  const std::int64_t width = sizes.size("predictor_embed_dim");
  PublishedNetwork network{position_options(sizes), std::move(weights)};
  network.options.insert(
      network.options.end(),
      {{"width", Value(width)},
       {"depth", Value(sizes.size("predictor_depth"))},
       {"heads", Value(sizes.size("predictor_num_heads"))},
       {"groups", Value(rows(network.weights, "mask_tokens", sizes.path()))},
       {"mlp_ratio", Value(exact_ratio(rows(network.weights, "blocks.0.mlp.fc1.weight", sizes.path()), width))}});
  return network;
}

}  // namespace

double exact_ratio(std::int64_t hidden, std::int64_t width) {
  double ratio = static_cast<double>(hidden) / static_cast<double>(width);
  while (static_cast<std::int64_t>(static_cast<double>(width) * ratio) < hidden)
    ratio = std::nextafter(ratio, std::numeric_limits<double>::infinity());
  return ratio;
}

PublishedModel read_original_folder(const fs::path& folder) {
  const JsonFile sizes(folder / "architecture.json");
  const OriginalCheckpoint file = read_original(only_checkpoint(folder));
  const bool is_video = file.patch.size() == 3;
  PublishedModel model;
  model.format = "published training checkpoint";
  model.tokenizer = {
      file.channels, file.patch,
      is_video ? std::vector{Axis::time, Axis::height, Axis::width} : std::vector{Axis::height, Axis::width}};
  const std::int64_t side = sizes.size("img_size");
  model.grid =
      model.tokenizer.grid(is_video ? std::vector{sizes.size("num_frames"), side, side} : std::vector{side, side});
  if (file.tokens > 0 && file.tokens != model.grid.count())
    throw DataError("the sizes make " + model.grid.text() + " tokens, and the checkpoint has positions for " +
                        std::to_string(file.tokens),
                    sizes.path().string());
  model.encoder = encoder(sizes, file.student);
  if (!file.teacher.empty()) model.teacher = encoder(sizes, file.teacher);
  if (!file.predictor.empty()) model.predictor = predictor(sizes, file.predictor);
  return model;
}

}  // namespace cairn
