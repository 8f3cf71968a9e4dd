#include "media/orientation.h"

#include <algorithm>
#include <string_view>

#include "media/tiff.h"

namespace cairn::media {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::string_view kExif("Exif\0\0", 6), kXmp("http://ns.adobe.com/xap/1.0/\0", 29);

/// Found in a file, 0 where nothing is said.
struct Said {
  int exif = 0, xmp = 0;
};

/// 0 for what is none.
int valid(std::uint32_t value) { return value >= 1 && value <= 8 ? static_cast<int>(value) : 0; }

int orientation_of_tiff(ByteSpan tiff) { return valid(tiff_number(tiff, kOrientationTag, 0)); }

/// The payload of EXIF, with or without its head.
int orientation_of_exif(ByteSpan exif) { return orientation_of_tiff(begins(exif, kExif) ? exif.subspan(6) : exif); }

int orientation_of_xmp(ByteSpan xmp) {
  const std::string_view text(reinterpret_cast<const char*>(xmp.data()), xmp.size());
  for (const std::string_view key : {std::string_view("tiff:Orientation=\""), std::string_view("tiff:Orientation>")}) {
    const std::size_t at = text.find(key);
    if (at != text.npos && at + key.size() < text.size())
      return valid(static_cast<std::uint32_t>(text[at + key.size()] - '0'));
  }
  return 0;
}

/// Walks the markers before the picture data.
Said said_in_jpeg(ByteSpan b) {
  Said said;
  std::size_t at = 2;
  while (at + 4 <= b.size() && b[at] == 0xFF && b[at + 1] != 0xDA) {
    const std::size_t length = big(b, at + 2, 2);
    const ByteSpan segment = b.subspan(at + 4, std::min(std::max<std::size_t>(length, 2) - 2, b.size() - at - 4));
    const bool is_application = b[at + 1] == 0xE1;
    if (is_application && begins(segment, kExif) && said.exif == 0) said.exif = orientation_of_exif(segment);
    if (is_application && begins(segment, kXmp) && said.xmp == 0) said.xmp = orientation_of_xmp(segment);
    at += 2 + length;
  }
  return said;
}

Said said_in_png(ByteSpan b) {
  for (std::size_t at = 8; at + 8 <= b.size();) {
    const std::size_t length = std::min<std::size_t>(big(b, at, 4), b.size() - at - 8);
    if (begins(b, "eXIf", at + 4)) return {orientation_of_exif(b.subspan(at + 8, length)), 0};
    at += 12 + length;
  }
  return {};
}

Said said_in_webp(ByteSpan b) {
  Said said;
  for (std::size_t at = 12; at + 8 <= b.size();) {
    const std::size_t length = std::min<std::size_t>(little(b, at + 4, 4), b.size() - at - 8);
    const ByteSpan chunk = b.subspan(at + 8, length);
    if (begins(b, "EXIF", at)) said.exif = orientation_of_exif(chunk);
    if (begins(b, "XMP ", at)) said.xmp = orientation_of_xmp(chunk);
    at += 8 + length + length % 2;
  }
  return said;
}

Said said_in(FileKind kind, ByteSpan bytes) {
  if (kind == FileKind::jpeg) return said_in_jpeg(bytes);
  if (kind == FileKind::png) return said_in_png(bytes);
  if (kind == FileKind::webp) return said_in_webp(bytes);
  if (kind == FileKind::tiff) return {orientation_of_tiff(bytes), 0};
  return {};
}

}  // namespace

int stored_orientation(FileKind kind, ByteSpan bytes) {
  const Said said = said_in(kind, bytes);
  return said.exif != 0 ? said.exif : said.xmp != 0 ? said.xmp : 1;
}

}  // namespace cairn::media
