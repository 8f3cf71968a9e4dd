#pragma once

#include <cstdint>
#include <numeric>
#include <string>

namespace cairn::test {

/// What a tar file ends with.
inline const std::string kTarEnd(1024, '\0');

inline std::string octal(std::uint64_t value, int digits) {
  std::string text(static_cast<std::size_t>(digits), '0');
  for (int i = digits - 1; i >= 0; --i, value /= 8) text[static_cast<std::size_t>(i)] += static_cast<char>(value % 8);
  return text;
}

inline std::string padded(std::string bytes) {
  bytes.resize((bytes.size() + 511) / 512 * 512);
  return bytes;
}

/// A member with a header as POSIX 1003.1-1990 has it.
inline std::string tar_member(const std::string& name, const std::string& content, char type = '0',
                              const std::string& prefix = "") {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  header.replace(124, 11, octal(content.size(), 11));
  header.replace(148, 8, "        ");
  header[156] = type;
  header.replace(257, 5, "ustar");
  header.replace(263, 2, "00");
  header.replace(345, prefix.size(), prefix);
  const int sum = std::accumulate(header.begin(), header.end(), 0,
                                  [](int total, char byte) { return total + static_cast<unsigned char>(byte); });
  header.replace(148, 7, octal(static_cast<std::uint64_t>(sum), 6) + '\0');
  return header + padded(content);
}

/// What a header of type x says of the member behind it (POSIX 1003.1-2001).
inline std::string pax_record(const std::string& key, const std::string& value) {
  const std::size_t bare = key.size() + value.size() + 3;
  const std::size_t length = bare + std::to_string(bare + 2).size();
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

}  // namespace cairn::test
