#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace cairn::media {

using ByteSpan = std::span<const std::uint8_t>;

inline bool begins(ByteSpan bytes, std::string_view text, std::size_t at = 0) {
  return bytes.size() >= at + text.size() && std::memcmp(bytes.data() + at, text.data(), text.size()) == 0;
}

/// The number of `count` bytes at `at`, the highest first.
inline std::uint32_t big(ByteSpan bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | bytes[at + static_cast<std::size_t>(i)];
  return value;
}

/// The number of `count` bytes at `at`, the lowest first.
inline std::uint32_t little(ByteSpan bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i) value = value << 8 | bytes[at + static_cast<std::size_t>(i)];
  return value;
}

}  // namespace cairn::media
