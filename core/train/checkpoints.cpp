#include "train/checkpoints.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/step_folders.h"
#include "model/named_state.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr const char* kWatched = "watched.safetensors";
constexpr const char* kGoBack = "remove the checkpoint's folder to go on from the one before it";

NamedTensors optimizer_state(const Optimizer& optimizer) {
  return {{"first_moment", optimizer.first_moment()}, {"second_moment", optimizer.second_moment()}};
}

/// What state.json holds.
RunPoint read_point(const fs::path& checkpoint) {
  const fs::path path = checkpoint / "state.json";
  std::ifstream file(path);
  try {
    const auto state = nlohmann::json::parse(file);
    RunPoint point{state.at("step").get<std::int64_t>(), std::nullopt, state.value("losses", std::deque<double>()), {}};
    if (state.contains("best"))
      point.best = BestStep{state["best"].at("step").get<std::int64_t>(), state["best"].at("score").get<double>()};
    return point;
  } catch (const nlohmann::json::exception&) {
    throw Error("not a checkpoint's state, or damaged", path.string(), kGoBack);
  }
}

NamedTensors read_tensors(const fs::path& file) {
  try {
    return read_safetensors(file).tensors;
  } catch (const Error& error) {
    throw Error(error.message(), error.where(), kGoBack);
  }
}

void fill(const fs::path& file, const NamedTensors& target) {
  load_named_state(target, read_tensors(file), file.string());
}

}  // namespace

void load_weights(const fs::path& checkpoint, const Composition& parts) {
  fill(checkpoint / "student.safetensors", named_state(parts.student_modules()));
  if (parts.teacher) fill(checkpoint / "teacher.safetensors", named_state({{"", parts.teacher}}));
}

Checkpoints::Checkpoints(fs::path folder, const CheckpointSettings& settings)
    : folder_(std::move(folder)), settings_(settings) {
  fs::create_directories(folder_);
  remove_leftovers(folder_);
}

fs::path Checkpoints::path_of(std::int64_t step) const { return step_folder(folder_, step); }

fs::path Checkpoints::save(const RunPoint& point, const Composition& parts, const Optimizer& optimizer) {
  AtomicFolder folder(path_of(point.step));
  const auto write = [&](const char* name, const NamedTensors& tensors) {
    folder.write_file(name, [&](FileWriter& writer) { write_safetensors(writer, tensors, {{"format", "cairn"}}); });
  };
  write("student.safetensors", named_state(parts.student_modules()));
  if (parts.teacher) write("teacher.safetensors", named_state({{"", parts.teacher}}));
  write("optimizer.safetensors", optimizer_state(optimizer));
  if (!point.watched.empty()) write(kWatched, point.watched);
  nlohmann::json state = {{"format", kFormat}, {"step", point.step}};
  if (point.best) state["best"] = {{"step", point.best->step}, {"score", point.best->score}};
  if (!point.losses.empty()) state["losses"] = point.losses;
  folder.write_file("state.json", state.dump(1) + "\n");
  folder.commit();
  prune(point.best);
  return path_of(point.step);
}

std::optional<fs::path> Checkpoints::newest() const { return newest_checkpoint(folder_); }

RunPoint Checkpoints::load(const fs::path& checkpoint, Composition& parts, Optimizer& optimizer) {
  RunPoint point = read_point(checkpoint);
  load_weights(checkpoint, parts);
  fill(checkpoint / "optimizer.safetensors", optimizer_state(optimizer));
  if (fs::exists(checkpoint / kWatched)) point.watched = read_tensors(checkpoint / kWatched);
  optimizer.set_steps(point.step);
  return point;
}

void Checkpoints::prune(const std::optional<BestStep>& best) const {
  const std::vector<std::int64_t> all = saved_steps(folder_);
  const auto kept = static_cast<std::size_t>(settings_.keep);
  for (std::size_t i = 0; i + kept < all.size(); ++i)
    if (!(settings_.best && best && best->step == all[i])) remove_folder(path_of(all[i]));
}

}  // namespace cairn
