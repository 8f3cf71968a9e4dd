#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "media/picture.h"

namespace cairn::media {

/// What a file is, by its first bytes.
enum class FileKind : std::uint8_t { unknown, jpeg, png, gif, bmp, webp, tiff, pnm, qoi, avif, targa, jpeg2000 };

/// What is known of an encoded picture before it is decoded.
struct Header {
  FileKind kind = FileKind::unknown;
  Extent extent;        // as stored, not turned; zero where only decoding tells
  int orientation = 1;  // as EXIF counts, 1 to 8
};

/// DataError where something other than a regular file stands at `path`: to open a pipe may take forever.
void require_regular(const std::filesystem::path& path);

/// The bytes of a regular file below 1 GiB. DataError if it cannot be read.
std::vector<std::uint8_t> read_file(const std::filesystem::path& path);

/// Reads the header of an encoded picture. DataError, naming `name`, if it is no picture or claims absurd dimensions.
Header read_header(std::span<const std::uint8_t> bytes, const std::string& name);

/// Decodes a picture to RGB: alpha dropped, palette looked up, grey repeated, CMYK multiplied out. With `exif` it is
/// turned upright as EXIF or XMP say, a TIFF always. DataError if the file is damaged or truncated.
Picture decode(std::span<const std::uint8_t> bytes, const Header& header, bool exif, const std::string& name);

/// Width and height of a JPEG decoded at 1/`shrink`, as decode_part() would give the whole.
Extent shrunk(const Header& header, int shrink, bool exif);

/// Decodes at least the pixels of `area` of a JPEG at 1/`shrink` (1, 2, 4 or 8) of its size: they are those of the
/// whole. Damage elsewhere in the file may go unseen.
Part decode_part(std::span<const std::uint8_t> bytes, const Header& header, int shrink, const Window& area, bool exif,
                 const std::string& name);

/// Turns a picture upright as EXIF's `orientation` (1 to 8) says.
Picture turn(Picture picture, int orientation);

}  // namespace cairn::media
