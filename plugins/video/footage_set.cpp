#include "footage_set.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "cairn/error.h"
#include "media/decode.h"
#include "webp_film.h"

namespace cairn::video {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kIndexBytes = std::size_t{256} << 20;
constexpr double kFramesPerSecond = 25;  // of folders of pictures, which do not say

PictureFrame read_picture(const fs::path& path) {
  const std::vector<std::uint8_t> bytes = media::read_file(path);
  return PictureFrame(media::decode(bytes, media::read_header(bytes, path.string()), true, path.string()));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A key that sorts names by the numbers in them, frame_2 before frame_10: before each number stands its length.
std::string by_number(const std::string& name) {
  std::string key;
  for (auto at = name.begin(); at != name.end();) {
    if (!is_digit(*at)) {
      key += *at++;
      continue;
    }
    const auto end = std::find_if_not(at, name.end(), is_digit);
    at = std::find_if(at, end, [](char c) { return c != '0'; });
    key += '0';
    key += static_cast<char>(end - at);
    key.append(at, end);
    at = end;
  }
  return key;
}

/// Pictures as frames: the files of a folder by name, or one picture as a video of one frame.
class PictureFootage : public Footage {
 public:
  explicit PictureFootage(const fs::path& path) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files_.push_back(path);
      return;
    }
    std::vector<std::pair<std::string, fs::path>> found;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      const std::string name = at->path().filename().string();
      if (video_files().is_frame(at->path()) && !name.starts_with('.')) found.emplace_back(by_number(name), at->path());
    }
    if (error) throw DataError("cannot be listed (" + error.message() + ")", path.string(), "check its permissions");
    if (found.empty()) throw DataError("holds no pictures", path.string(), "remove the folder");
    std::sort(found.begin(), found.end());
    for (auto& [key, file] : found) files_.push_back(std::move(file));
  }

  std::int64_t frames() const override { return static_cast<std::int64_t>(files_.size()); }
  double time(std::int64_t index) const override { return static_cast<double>(index) / kFramesPerSecond; }
  void read(std::span<const std::int64_t> wanted, const Take& take) override {
    for (std::size_t slot = 0; slot < wanted.size(); ++slot)
      take(slot, read_picture(files_.at(static_cast<std::size_t>(wanted[slot]))));
  }

 private:
  std::vector<fs::path> files_;
};

}  // namespace

const FileFilter& video_files() {
  static const FileFilter filter{"video",
                                 {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts",
                                  ".3gp", ".flv", ".wmv", ".ogv", ".264", ".h264", ".gif", ".webp"},
                                 still_files().extensions};
  return filter;
}

const FileFilter& still_files() {
  static const FileFilter filter{"picture", {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"}};
  return filter;
}

std::shared_ptr<const VideoIndex> IndexCache::find(std::int64_t sample) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(sample);
  return found == known_.end() ? nullptr : found->second;
}

void IndexCache::store(std::int64_t sample, std::shared_ptr<const VideoIndex> index) {
  const std::lock_guard lock(mutex_);
  const std::size_t bytes = index->bytes();
  if (!known_.emplace(sample, std::move(index)).second) return;
  bytes_ += bytes;
  order_.push_back(sample);
  while (bytes_ > most_bytes_ && order_.size() > 1) {
    const auto out = known_.find(order_.front());
    order_.pop_front();
    bytes_ -= out->second->bytes();
    known_.erase(out);
  }
}

StoredFootage::StoredFootage(const ReadLimits& limits, std::size_t cache_bytes)
    : limits_(limits), indices_(kIndexBytes), frames_(cache_bytes) {}

std::unique_ptr<Footage> StoredFootage::open(std::int64_t index) const {
  std::shared_ptr<const HeldVideo> held = frames_.find(index);
  // By another opening of the file, whose time limit is its own.
  if (!held && frames_.wants(index)) held = frames_.hold(index, *open_stored(index));
  if (held) return std::make_unique<HeldFootage>(std::move(held));
  return open_stored(index);
}

std::unique_ptr<Footage> StoredFootage::open_video(std::int64_t index, VideoInput input) const {
  if (is_animated_webp(input)) return std::make_unique<WebpFilm>(input, limits_);
  const std::shared_ptr<const VideoIndex> known = indices_.find(index);
  auto file = std::make_unique<VideoFile>(std::move(input), limits_, known);
  if (!known) indices_.store(index, file->index());
  return file;
}

std::unique_ptr<Footage> FileFootage::open_stored(std::int64_t index) const {
  const fs::path path = files_.path(index);
  std::error_code error;
  if (video_files().is_frame(path) || fs::is_directory(path, error)) return std::make_unique<PictureFootage>(path);
  return open_video(index, path);
}

std::unique_ptr<Footage> ShardFootage::open_stored(std::int64_t index) const {
  return open_video(index, {name(index), shards_->bytes(index),
                            [shards = shards_, index](std::uint64_t offset, std::span<std::uint8_t> out) {
                              shards->read(index, offset, out);
                            }});
}

MixedFootage::MixedFootage(std::vector<std::unique_ptr<FootageSet>> sets, const std::vector<double>& weights)
    : sets_(std::move(sets)) {
  // The set that is largest for its weight comes once; the others as often as their weights ask.
  double longest = 0;
  for (std::size_t i = 0; i < sets_.size(); ++i)
    longest = std::max(longest, static_cast<double>(sets_[i]->size()) / weights[i]);
  starts_.push_back(0);
  for (const double weight : weights) starts_.push_back(starts_.back() + std::llround(longest * weight));
}

MixedFootage::Place MixedFootage::place(std::int64_t index) const {
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), index);
  const FootageSet* set = sets_.at(static_cast<std::size_t>(next - starts_.begin() - 1)).get();
  return {set, (index - *(next - 1)) % set->size()};
}

std::int64_t MixedFootage::label(std::int64_t index) const {
  const Place at = place(index);
  return at.set->label(at.index);
}

std::string MixedFootage::name(std::int64_t index) const {
  const Place at = place(index);
  return at.set->name(at.index);
}

std::unique_ptr<Footage> MixedFootage::open(std::int64_t index) const {
  const Place at = place(index);
  return at.set->open(at.index);
}

}  // namespace cairn::video
