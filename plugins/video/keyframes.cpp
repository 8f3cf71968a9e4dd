#include "keyframes.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/error.h"

namespace cairn::video {
namespace {

namespace fs = std::filesystem;

/// Videos below a folder by name without ending; of several the first in the order of their paths.
std::map<std::string, fs::path> videos_below(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> paths;
  for (fs::recursive_directory_iterator at(folder, fs::directory_options::follow_directory_symlink, error), end;
       !error && at != end; at.increment(error))
    if (video_files().matches(at->path())) paths.push_back(at->path().lexically_relative(folder));
  if (error) throw DataError("cannot be listed: " + error.message(), folder.string(), "check modality.videos");
  std::sort(paths.begin(), paths.end());
  std::map<std::string, fs::path> videos;
  for (const fs::path& path : paths) videos.emplace(path.stem().string(), path);
  return videos;
}

ActionNames names_in(const Keyframes& keyframes) {
  ActionNames names;
  for (const auto& [moment, boxes] : keyframes)
    for (const ActionBox& box : boxes)
      for (const std::int64_t id : box.actions) names.emplace(id, "action " + std::to_string(id));
  return names;
}

/// Keeps the videos of one part; all moments of a video stay together.
void keep_part(Keyframes& keyframes, Split split, double test_share) {
  Divider divider(test_share);
  std::map<std::string, bool> kept;
  for (const auto& [moment, boxes] : keyframes)
    if (!kept.contains(moment.first)) kept[moment.first] = divider.takes(split, 0);
  std::erase_if(keyframes, [&](const auto& entry) { return !kept.at(entry.first.first); });
}

}  // namespace

KeyframePart read_part(const KeyframeTables& tables, Split split) {
  KeyframePart part;
  part.keyframes = read_keyframes(tables.path);
  part.names = tables.actions.empty() ? names_in(part.keyframes) : read_actions(tables.actions);
  if (tables.test_path.empty()) {
    keep_part(part.keyframes, split, tables.test_share);
  } else {
    Keyframes test = read_keyframes(tables.test_path);
    if (tables.actions.empty()) part.names.merge(names_in(test));
    if (split == Split::test) part.keyframes = std::move(test);
  }
  std::set<Moment> excluded;
  for (const std::string& path : tables.excluded) excluded.merge(read_moments(path));
  restrict_to(part.keyframes, part.names, excluded);
  if (part.keyframes.empty() && split == Split::train)
    throw DataError("no box is left for training", tables.path.string(),
                    "check modality.actions, modality.excluded and modality.test_share");
  return part;
}

KeyframeFootage::KeyframeFootage(const KeyframePart& part, const fs::path& folder, double first_second,
                                 const ReadLimits& limits, std::size_t cache_bytes)
    : folder_(folder), first_second_(first_second) {
  for (const auto& [id, name] : part.names) {
    columns_[id] = static_cast<std::int64_t>(classes_.size());
    classes_.push_back(name);
  }
  const std::map<std::string, fs::path> found = videos_below(folder);
  FileSet files(folder);
  std::map<std::string, std::int64_t> numbers;  // of the files, by name
  for (const auto& [moment, boxes] : part.keyframes) {
    const auto [number, is_new] = numbers.emplace(moment.first, -1);
    std::error_code error;
    if (const auto file = found.find(moment.first);
        is_new && (file != found.end() || fs::is_directory(folder / moment.first, error))) {
      number->second = files.size();
      files.add(file != found.end() ? file->second.string() : moment.first, -1);
    }
    samples_.push_back({moment, number->second, boxes});
  }
  if (files.size() == 0)
    throw DataError(fmt::format("holds none of the {} videos of the table; the first is '{}'", numbers.size(),
                                numbers.begin()->first),
                    folder.string(), "let modality.videos name their folder, and files be named after their ids");
  files_ = std::make_unique<FileFootage>(std::move(files), limits, cache_bytes);
}

std::string KeyframeFootage::name(std::int64_t index) const {
  const auto& [video, second] = sample(index).moment;
  return fmt::format("{}@{:g}", video, second);
}

std::unique_ptr<Footage> KeyframeFootage::open(std::int64_t index) const {
  const Keyframe& keyframe = sample(index);
  if (keyframe.file < 0)
    throw DataError("holds no video '" + keyframe.moment.first + "'", folder_.string(),
                    "add it, or remove its lines from the table");
  return files_->open(keyframe.file);
}

std::optional<double> KeyframeFootage::moment(std::int64_t index) const {
  return sample(index).moment.second - first_second_;
}

std::map<std::string, at::Tensor> KeyframeFootage::facts(std::int64_t index) const {
  const std::vector<ActionBox>& boxes = sample(index).boxes;
  const auto count = static_cast<std::int64_t>(boxes.size());
  at::Tensor edges = at::empty({count, 4}), labels = at::zeros({count, static_cast<std::int64_t>(classes_.size())});
  for (std::int64_t i = 0; i < count; ++i) {
    const ActionBox& box = boxes[static_cast<std::size_t>(i)];
    std::copy(box.edges.begin(), box.edges.end(), edges.mutable_data_ptr<float>() + 4 * i);
    for (const std::int64_t id : box.actions) labels[i][columns_.at(id)] = 1;
  }
  return {{"boxes", edges}, {"box_labels", labels}};
}

}  // namespace cairn::video
