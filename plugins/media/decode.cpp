#include "media/decode.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "media/ffmpeg_picture.h"
#include "media/jpeg.h"
#include "media/orientation.h"
#include "media/tiff.h"
#include "media/webp.h"

namespace cairn::media {
namespace {

constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 30;

/// Targa has no magic number, so every field of its header must be plausible.
bool looks_like_targa(ByteSpan b) {
  if (b.size() < 20) return false;
  const int map = b[1], kind = b[2], depth = b[16];
  const bool known_kind = kind == 1 || kind == 2 || kind == 3 || kind == 9 || kind == 10 || kind == 11;
  const bool known_depth = depth == 8 || depth == 15 || depth == 16 || depth == 24 || depth == 32;
  return map <= 1 && known_kind && known_depth && little(b, 12, 2) > 0 && little(b, 14, 2) > 0;
}

FileKind sniff(ByteSpan b) {
  if (begins(b, "\xFF\xD8\xFF")) return FileKind::jpeg;
  if (begins(b, "\x89PNG\r\n\x1A\n")) return FileKind::png;
  if (begins(b, "GIF87a") || begins(b, "GIF89a")) return FileKind::gif;
  if (begins(b, "BM") && b.size() > 26) return FileKind::bmp;
  if (begins(b, "RIFF") && begins(b, "WEBP", 8)) return FileKind::webp;
  if (begins(b, std::string_view("II*\0", 4)) || begins(b, std::string_view("MM\0*", 4))) return FileKind::tiff;
  if (b.size() > 3 && b[0] == 'P' && b[1] >= '1' && b[1] <= '7' && std::isspace(b[2])) return FileKind::pnm;
  if (begins(b, "qoif") && b.size() > 14) return FileKind::qoi;
  if (begins(b, "ftypavif", 4) || begins(b, "ftypavis", 4)) return FileKind::avif;
  if (begins(b, std::string_view("\0\0\0\x0CjP  ", 8))) return FileKind::jpeg2000;
  return looks_like_targa(b) ? FileKind::targa : FileKind::unknown;
}

bool is_animated_webp(ByteSpan b) {
  constexpr std::uint8_t kAnimation = 2;
  return begins(b, "VP8X", 12) && b.size() > 20 && (b[20] & kAnimation) != 0;
}

AVCodecID codec_of(FileKind kind, ByteSpan b) {
  switch (kind) {
    case FileKind::png:
      return AV_CODEC_ID_PNG;
    case FileKind::gif:
      return AV_CODEC_ID_GIF;
    case FileKind::bmp:
      return AV_CODEC_ID_BMP;
    case FileKind::qoi:
      return AV_CODEC_ID_QOI;
    case FileKind::targa:
      return AV_CODEC_ID_TARGA;
    case FileKind::jpeg2000:
      return AV_CODEC_ID_JPEG2000;
    case FileKind::pnm:
      if (b[1] == '1' || b[1] == '4') return AV_CODEC_ID_PBM;
      if (b[1] == '2' || b[1] == '5') return AV_CODEC_ID_PGM;
      return b[1] == '7' ? AV_CODEC_ID_PAM : AV_CODEC_ID_PPM;
    default:
      return AV_CODEC_ID_NONE;
  }
}

/// Width and height where the header states them at a fixed place; zero elsewhere (the decoder checks those).
std::array<std::uint64_t, 2> stated_extent(FileKind kind, ByteSpan b) {
  const auto magnitude = [](std::uint32_t v) {
    return static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(static_cast<std::int32_t>(v))));
  };
  if (kind == FileKind::png && b.size() >= 24) return {big(b, 16, 4), big(b, 20, 4)};
  if (kind == FileKind::gif && b.size() >= 10) return {little(b, 6, 2), little(b, 8, 2)};
  if (kind == FileKind::bmp && little(b, 14, 4) >= 40)
    return {magnitude(little(b, 18, 4)), magnitude(little(b, 22, 4))};
  if (kind == FileKind::qoi) return {big(b, 4, 4), big(b, 8, 4)};
  if (kind == FileKind::targa) return {little(b, 12, 2), little(b, 14, 2)};
  return {0, 0};
}

std::size_t colours_size(std::uint8_t flags) { return (flags & 0x80) != 0 ? std::size_t{6} << (flags & 7) : 0; }

/// The GIF without transparency in its first frame, as the decoder forgets the colour of what is transparent.
std::vector<std::uint8_t> opaque_gif(ByteSpan b) {
  std::vector<std::uint8_t> bytes(b.begin(), b.end());
  std::size_t at = b.size() > 13 ? 13 + colours_size(b[10]) : b.size();
  while (at + 4 < b.size() && b[at] == 0x21) {  // extensions before the frame
    if (b[at + 1] == 0xF9) bytes[at + 3] &= 0xFE;
    at += 2;
    while (at < b.size() && b[at] != 0) at += std::size_t{1} + b[at];
    ++at;
  }
  return bytes;
}

Picture decode_other(ByteSpan bytes, FileKind kind, const std::string& name) {
  if (kind == FileKind::avif) return decode_avif(bytes, name);
  if (kind == FileKind::webp) return decode_webp(bytes, name);
  if (kind == FileKind::tiff) return decode_tiff(bytes, name);
  if (kind == FileKind::gif) return decode_still(opaque_gif(bytes), codec_of(kind, bytes), name);
  return decode_still(bytes, codec_of(kind, bytes), name);
}

}  // namespace

void require_regular(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    throw DataError("is no regular file", path.string(), "replace or remove it");
}

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  require_regular(path);
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw DataError(std::string("cannot be opened (") + std::strerror(errno) + ")", path.string());
  const std::streamoff size = file.tellg();
  if (size < 0 || size > kMaxFileBytes) throw DataError("is no regular file below 1 GiB", path.string());
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  file.seekg(0);
  if (size > 0 && !file.read(reinterpret_cast<char*>(bytes.data()), size))
    throw DataError("cannot be read", path.string(), "check that it is a readable file");
  return bytes;
}

Header read_header(ByteSpan bytes, const std::string& name) {
  if (bytes.empty()) throw DataError("is empty", name, "replace or remove the file");
  Header header{sniff(bytes), {}, 1};
  header.orientation = stored_orientation(header.kind, bytes);
  if (header.kind == FileKind::unknown)
    throw DataError("is no picture of a known kind", name,
                    "JPEG, PNG, BMP, GIF, WebP, TIFF, PNM, QOI, TGA, AVIF and JPEG 2000 are known, told by content");
  if (header.kind == FileKind::jpeg) {
    header.extent = read_jpeg_extent(bytes, name);
    refuse_absurd(static_cast<std::uint64_t>(header.extent.width), static_cast<std::uint64_t>(header.extent.height),
                  name);
    return header;
  }
  if (header.kind == FileKind::webp && is_animated_webp(bytes))
    throw DataError("is an animated WebP, which is a film", name,
                    "replace it with a still picture, or read it with video.folder");
  const auto [width, height] = stated_extent(header.kind, bytes);
  refuse_absurd(width, height, name);
  return header;
}

Extent shrunk(const Header& header, int shrink, bool exif) {
  Extent extent = {(header.extent.width + shrink - 1) / shrink, (header.extent.height + shrink - 1) / shrink};
  if (exif && header.orientation >= 5) std::swap(extent.width, extent.height);
  return extent;
}

Picture decode(ByteSpan bytes, const Header& header, bool exif, const std::string& name) {
  if (header.kind == FileKind::jpeg) {
    const Extent whole = shrunk(header, 1, exif);
    return decode_part(bytes, header, 1, {0, 0, whole.width, whole.height}, exif, name).picture;
  }
  Picture picture = decode_other(bytes, header.kind, name);
  // TIFF's orientation is no EXIF: readers always follow it.
  return exif || header.kind == FileKind::tiff ? turn(std::move(picture), header.orientation) : picture;
}

Part decode_part(ByteSpan bytes, const Header& header, int shrink, const Window& area, bool exif,
                 const std::string& name) {
  if (!exif || header.orientation == 1) return decode_jpeg(bytes, shrink, area, name);
  const Extent stored = shrunk(header, shrink, false);
  return {turn(decode_jpeg(bytes, shrink, {0, 0, stored.width, stored.height}, name).picture, header.orientation)};
}

Picture turn(Picture picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return picture;
  const bool transposed = orientation >= 5;
  Picture out(transposed ? picture.height : picture.width, transposed ? picture.width : picture.height);
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  for (int y = 0; y < out.height; ++y) {
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += 3) {
      const int column = transposed ? y : x;
      const int line = transposed ? x : y;
      const std::uint8_t* from =
          picture.row(flip_y ? picture.height - 1 - line : line) + 3 * (flip_x ? picture.width - 1 - column : column);
      std::copy_n(from, 3, to);
    }
  }
  return out;
}

}  // namespace cairn::media
