#include "video_input.h"

#include <algorithm>
#include <fstream>

#include "cairn/error.h"
#include "media/decode.h"

namespace cairn::video {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

std::string head_of_file(const std::string& path, std::size_t count) {
  std::string head(count, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(count));
  head.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return head;
}

}  // namespace

std::vector<std::uint8_t> VideoInput::read_all() const {
  if (!read) return media::read_file(name);
  if (size > kMostBytes) throw DataError("is larger than 1 GiB", name);
  std::vector<std::uint8_t> bytes(size);
  read(0, bytes);
  return bytes;
}

std::string VideoInput::read_head(std::size_t count) const {
  if (!read) return head_of_file(name, count);
  std::string head(std::min<std::uint64_t>(count, size), '\0');
  read(0, {reinterpret_cast<std::uint8_t*>(head.data()), head.size()});
  return head;
}

}  // namespace cairn::video
