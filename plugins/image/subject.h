#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "image_set.h"
#include "media/decode.h"
#include "media/decode_cache.h"

namespace cairn::image {

using media::Extent;

/// A whole picture as it was decoded, at 1/`shrink` of its size.
struct HeldPicture {
  media::Header header;
  int shrink = 1;
  media::Part part;
};

/// Decoded pictures by sample and shrink.
class PictureCache : public media::DecodeCache<HeldPicture> {
 public:
  using DecodeCache::DecodeCache;

  /// A sample's picture at 1/`shrink`.
  static std::int64_t key(std::int64_t sample, int shrink);
  /// A sample's picture at any size.
  std::shared_ptr<const HeldPicture> find_any(std::int64_t sample) const;
};

/// A sample's picture while its views are drawn: a file is read when its pixels are not held in memory, and a JPEG is
/// decoded late, at the fraction and where the views need it.
class Subject {
 public:
  /// DataError if it cannot be read.
  Subject(const ImageSet& set, std::int64_t sample, bool exif, PictureCache& cache);

  /// At 1/`shrink` of its size, which must be 1 but for a JPEG.
  Extent extent(int shrink = 1) const;
  /// The fraction that leaves at least `reduction` source pixels for each that is needed.
  int shrink(double reduction) const;
  /// At least the pixels of `area`, at 1/`shrink`. DataError if they cannot be decoded.
  const media::Part& pixels(int shrink, const media::Window& area);

 private:
  bool is_jpeg() const { return header_.kind == media::FileKind::jpeg; }
  const media::Part& decoded() const { return held_ ? held_->part : part_; }
  /// Decodes what is no JPEG.
  void decode_still();
  /// The whole at 1/`shrink` from the cache, which takes it where it has room; null otherwise.
  std::shared_ptr<const HeldPicture> hold(int shrink);
  std::span<const std::uint8_t> bytes();
  std::string name() const { return set_.name(sample_); }

  const ImageSet& set_;
  std::int64_t sample_;
  bool exif_;
  PictureCache& cache_;
  Content content_;  // no bytes where the cache spared reading them
  media::Header header_;
  std::shared_ptr<const HeldPicture> held_;
  media::Part part_;  // where nothing is held
};

}  // namespace cairn::image
