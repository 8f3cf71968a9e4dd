#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "media/ffmpeg.h"

namespace cairn::video {

/// Where the bytes of a video are: in a file, or in a part of one.
struct VideoInput {
  VideoInput(const std::filesystem::path& path) : name(path.string()) {}
  VideoInput(std::string shown, std::uint64_t bytes, media::RangeInput::Read reader)
      : name(std::move(shown)), size(bytes), read(std::move(reader)) {}

  /// All of them. DataError if they cannot be read, or are too many for that.
  std::vector<std::uint8_t> read_all() const;
  /// The first `count`; fewer where there are no more, or a file cannot be read. DataError for a part that cannot.
  std::string read_head(std::size_t count) const;

  std::string name;  // a file's path; with an ending in any case, which tells FFmpeg what to expect
  std::uint64_t size = 0;
  media::RangeInput::Read read = {};  // empty: the file of that name is read
};

}  // namespace cairn::video
