#include "media/tiff.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "media/ffmpeg_picture.h"

namespace cairn::media {
namespace {

using Numbers = std::vector<std::uint32_t>;

enum Tag : std::uint32_t {
  kWidth = 256,
  kLength = 257,
  kCompression = 259,
  kStripOffsets = 273,
  kSamples = 277,
  kRowsPerStrip = 278,
  kStripByteCounts = 279,
  kPlanar = 284,
  kTileWidth = 322,
  kTileLength = 323,
  kTileOffsets = 324,
  kTileByteCounts = 325,
  kSubDirectories = 330,
};

constexpr std::uint32_t kShort = 3, kLong = 4;

/// Bytes of one value of a type, 1 for types that are not known.
std::size_t type_size(std::uint32_t type) {
  constexpr std::uint8_t kSizes[] = {1, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8};
  return type < std::size(kSizes) ? kSizes[type] : 1;
}

/// An entry of a directory: where its values lie.
struct Entry {
  std::uint32_t type = 0, count = 0;
  std::size_t at = 0;

  std::size_t size() const { return type_size(type) * count; }
};

/// The first directory of a TIFF.
class Directory {
 public:
  explicit Directory(ByteSpan tiff) : tiff_(tiff) {
    if (tiff.size() < 8) return;
    const std::size_t start = number(4, 4);
    if (start + 2 > tiff.size()) return;
    const std::size_t count = number(start, 2);
    for (std::size_t i = 0; i < count && start + 14 + 12 * i <= tiff.size(); ++i) read_entry(start + 2 + 12 * i);
  }

  bool is_big() const { return tiff_[0] == 'M'; }
  const std::map<std::uint32_t, Entry>& entries() const { return entries_; }
  ByteSpan values(const Entry& entry) const { return tiff_.subspan(entry.at, entry.size()); }

  /// Short and long numbers; none where the tag is missing or malformed.
  Numbers numbers(std::uint32_t tag) const {
    const auto found = entries_.find(tag);
    if (found == entries_.end() || (found->second.type != kShort && found->second.type != kLong)) return {};
    const std::size_t size = type_size(found->second.type);
    Numbers all;
    for (std::size_t i = 0; i < found->second.count; ++i)
      all.push_back(number(found->second.at + i * size, static_cast<int>(size)));
    return all;
  }

  std::uint32_t first(std::uint32_t tag, std::uint32_t fallback) const {
    const Numbers all = numbers(tag);
    return all.empty() ? fallback : all.front();
  }

 private:
  std::uint32_t number(std::size_t at, int count) const {
    return is_big() ? big(tiff_, at, count) : little(tiff_, at, count);
  }

  void read_entry(std::size_t at) {
    Entry entry{number(at + 2, 2), number(at + 4, 4), at + 8};
    if (entry.size() > 4) entry.at = number(at + 8, 4);
    if (entry.at <= tiff_.size() && entry.size() <= tiff_.size() - entry.at) entries_.emplace(number(at, 2), entry);
  }

  ByteSpan tiff_;
  std::map<std::uint32_t, Entry> entries_;
};

/// Writes a TIFF of one directory, in the byte order of another.
class Writer {
 public:
  explicit Writer(bool is_big) : is_big_(is_big) {}

  void values(std::uint32_t tag, std::uint32_t type, ByteSpan bytes) {
    entries_[tag] = {type, {bytes.begin(), bytes.end()}};
  }

  void numbers(std::uint32_t tag, const Numbers& all) {
    std::vector<std::uint8_t> bytes;
    for (const std::uint32_t value : all) append(bytes, value, 4);
    entries_[tag] = {kLong, std::move(bytes)};
  }

  /// How long the file is before what append_data() adds.
  std::size_t head_size() const {
    std::size_t size = 8 + 2 + 12 * entries_.size() + 4;
    for (const auto& [tag, entry] : entries_)
      if (entry.bytes.size() > 4) size += entry.bytes.size();
    return size;
  }

  std::vector<std::uint8_t> head() const {
    std::vector<std::uint8_t> out(2, is_big_ ? 'M' : 'I'), behind;
    append(out, 42, 2);
    append(out, 8, 4);
    append(out, static_cast<std::uint32_t>(entries_.size()), 2);
    const std::size_t start = 8 + 2 + 12 * entries_.size() + 4;
    for (const auto& [tag, entry] : entries_) {
      append(out, tag, 2);
      append(out, entry.type, 2);
      append(out, static_cast<std::uint32_t>(entry.bytes.size() / type_size(entry.type)), 4);
      if (entry.bytes.size() > 4) {
        append(out, static_cast<std::uint32_t>(start + behind.size()), 4);
        behind.insert(behind.end(), entry.bytes.begin(), entry.bytes.end());
      } else {
        out.insert(out.end(), entry.bytes.begin(), entry.bytes.end());
        out.resize(out.size() + 4 - entry.bytes.size());
      }
    }
    out.resize(out.size() + 4);
    out.insert(out.end(), behind.begin(), behind.end());
    return out;
  }

 private:
  struct Values {
    std::uint32_t type = 0;
    std::vector<std::uint8_t> bytes;
  };

  void append(std::vector<std::uint8_t>& out, std::uint32_t value, int count) const {
    for (int i = 0; i < count; ++i)
      out.push_back(static_cast<std::uint8_t>(value >> 8 * (is_big_ ? count - 1 - i : i)));
  }

  bool is_big_;
  std::map<std::uint32_t, Values> entries_;
};

[[noreturn]] void fail_damaged(const std::string& name) {
  throw DataError("is damaged or truncated", name, "replace or remove the file");
}

/// The tiles of a TIFF, each to be decoded as a picture of its own: FFmpeg takes tiles for strips.
class Tiles {
 public:
  Tiles(ByteSpan bytes, const Directory& directory, const std::string& name)
      : bytes_(bytes),
        directory_(directory),
        name_(name),
        offsets_(directory.numbers(kTileOffsets)),
        sizes_(directory.numbers(kTileByteCounts)),
        planes_(directory.first(kPlanar, 1) == 2 ? directory.first(kSamples, 1) : 1) {
    width_ = side(kWidth), length_ = side(kLength), tile_width_ = side(kTileWidth), tile_length_ = side(kTileLength);
    for (const auto& [width, length] : {std::pair(width_, length_), std::pair(tile_width_, tile_length_)})
      refuse_absurd(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(length), name);
  }

  Picture decode() const {
    Picture out(width_, length_);
    std::size_t tile = 0;
    for (int top = 0; top < length_; top += tile_length_)
      for (int left = 0; left < width_; left += tile_width_) {
        const Picture part = decode_still(file_of(tile++), AV_CODEC_ID_TIFF, name_);
        if (part.width != tile_width_ || part.height != tile_length_) fail_damaged(name_);
        const int columns = std::min(tile_width_, width_ - left), rows = std::min(tile_length_, length_ - top);
        for (int y = 0; y < rows; ++y) std::copy_n(part.row(y), 3 * columns, out.row(top + y) + 3 * left);
      }
    return out;
  }

 private:
  int side(std::uint32_t tag) const {
    const std::uint32_t value = directory_.first(tag, 0);
    if (value == 0 || value > static_cast<std::uint32_t>(kMaxPixels)) fail_damaged(name_);
    return static_cast<int>(value);
  }

  std::size_t count() const {
    const auto along = [](int whole, int tile) { return static_cast<std::size_t>((whole - 1) / tile + 1); };
    return along(width_, tile_width_) * along(length_, tile_length_);
  }

  ByteSpan data(std::size_t tile) const {
    if (tile >= offsets_.size() || tile >= sizes_.size() || offsets_[tile] > bytes_.size() ||
        sizes_[tile] > bytes_.size() - offsets_[tile])
      fail_damaged(name_);
    return bytes_.subspan(offsets_[tile], sizes_[tile]);
  }

  /// A TIFF whose strips, one for each plane, are the tile.
  std::vector<std::uint8_t> file_of(std::size_t tile) const {
    Writer writer(directory_.is_big());
    for (const auto& [tag, entry] : directory_.entries()) {
      const bool is_place = tag >= kTileWidth && tag <= kTileByteCounts;
      if (!is_place && tag < kSubDirectories) writer.values(tag, entry.type, directory_.values(entry));
    }
    writer.numbers(kWidth, {static_cast<std::uint32_t>(tile_width_)});
    writer.numbers(kLength, {static_cast<std::uint32_t>(tile_length_)});
    writer.numbers(kRowsPerStrip, {static_cast<std::uint32_t>(tile_length_)});
    Numbers offsets, sizes;
    std::vector<std::uint8_t> strips;
    for (std::size_t plane = 0; plane < planes_; ++plane) {
      const ByteSpan strip = data(plane * count() + tile);
      offsets.push_back(static_cast<std::uint32_t>(strips.size()));
      sizes.push_back(static_cast<std::uint32_t>(strip.size()));
      strips.insert(strips.end(), strip.begin(), strip.end());
    }
    writer.numbers(kStripOffsets, offsets);
    writer.numbers(kStripByteCounts, sizes);
    for (std::uint32_t& offset : offsets) offset += static_cast<std::uint32_t>(writer.head_size());
    writer.numbers(kStripOffsets, offsets);
    std::vector<std::uint8_t> file = writer.head();
    file.insert(file.end(), strips.begin(), strips.end());
    return file;
  }

  ByteSpan bytes_;
  const Directory& directory_;
  const std::string& name_;
  Numbers offsets_, sizes_;
  std::size_t planes_;
  int width_ = 0, length_ = 0, tile_width_ = 0, tile_length_ = 0;
};

}  // namespace

std::uint32_t tiff_number(ByteSpan tiff, std::uint32_t tag, std::uint32_t fallback) {
  return Directory(tiff).first(tag, fallback);
}

Picture decode_tiff(ByteSpan bytes, const std::string& name) {
  constexpr std::uint32_t kPlain = 1, kOldJpeg = 6, kJpeg = 7;
  const Directory directory(bytes);
  // FFmpeg decodes it to noise without a word.
  const std::uint32_t compression = directory.first(kCompression, kPlain);
  if (compression == kOldJpeg || compression == kJpeg)
    throw DataError("is a TIFF that is compressed as JPEG, which is not read", name,
                    "convert it to JPEG, to PNG, or to a TIFF of another compression");
  if (directory.first(kTileWidth, 0) == 0) return decode_still(bytes, AV_CODEC_ID_TIFF, name);
  return Tiles(bytes, directory, name).decode();
}

}  // namespace cairn::media
