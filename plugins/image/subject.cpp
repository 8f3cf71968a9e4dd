#include "subject.h"

#include <utility>
#include <variant>

namespace cairn::image {
namespace {

constexpr int kShrinks[] = {1, 2, 4, 8};

std::size_t bytes_of(Extent extent) {
  return 3 * static_cast<std::size_t>(extent.width) * static_cast<std::size_t>(extent.height);
}

}  // namespace

std::int64_t PictureCache::key(std::int64_t sample, int shrink) { return 16 * sample + shrink; }

std::shared_ptr<const HeldPicture> PictureCache::find_any(std::int64_t sample) const {
  for (const int shrink : kShrinks)
    if (auto held = find(key(sample, shrink))) return held;
  return nullptr;
}

Subject::Subject(const ImageSet& set, std::int64_t sample, bool exif, PictureCache& cache)
    : set_(set), sample_(sample), exif_(exif), cache_(cache), held_(cache.find_any(sample)) {
  if (held_) {
    header_ = held_->header;
    return;
  }
  content_ = set_.fetch(sample_);
  if (std::holds_alternative<Picture>(content_)) {
    part_.picture = std::get<Picture>(std::move(content_));
    return;
  }
  header_ = media::read_header(bytes(), name());
  if (!is_jpeg()) decode_still();
}

Extent Subject::extent(int shrink) const {
  return is_jpeg() ? shrunk(header_, shrink, exif_) : decoded().picture.extent();
}

int Subject::shrink(double reduction) const {
  if (!is_jpeg()) return 1;
  return reduction >= 8 ? 8 : reduction >= 4 ? 4 : reduction >= 2 ? 2 : 1;
}

const media::Part& Subject::pixels(int shrink, const media::Window& area) {
  if (!is_jpeg()) return decoded();
  if (!held_ || held_->shrink != shrink) held_ = hold(shrink);
  if (!held_) part_ = decode_part(bytes(), header_, shrink, area, exif_, name());
  return decoded();
}

void Subject::decode_still() {
  part_.picture = decode(bytes(), header_, exif_, name());
  const std::int64_t key = PictureCache::key(sample_, 1);
  if (!cache_.wants(key)) return;
  held_ = cache_.hold(key, bytes_of(part_.picture.extent()), [&] {
    return std::make_shared<const HeldPicture>(HeldPicture{header_, 1, std::move(part_)});
  });
}

std::shared_ptr<const HeldPicture> Subject::hold(int shrink) {
  const std::int64_t key = PictureCache::key(sample_, shrink);
  if (!cache_.wants(key)) return cache_.find(key);
  const Extent whole = extent(shrink);
  return cache_.hold(key, bytes_of(whole), [&] {
    const media::Window all = {0, 0, whole.width, whole.height};
    return std::make_shared<const HeldPicture>(
        HeldPicture{header_, shrink, decode_part(bytes(), header_, shrink, all, exif_, name())});
  });
}

std::span<const std::uint8_t> Subject::bytes() {
  if (std::get<std::vector<std::uint8_t>>(content_).empty()) content_ = set_.fetch(sample_);
  return std::get<std::vector<std::uint8_t>>(content_);
}

}  // namespace cairn::image
