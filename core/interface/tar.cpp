#include "interface/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>
#include <string_view>

#include "cairn/error.h"

namespace cairn {
namespace {

constexpr const char* kWhatToGive = "give files as tar and WebDataset write them";
constexpr std::uint64_t kMostExtra = 1 << 20;  // bytes of a long name or of pax records

using Header = std::array<std::uint8_t, kTarBlock>;

/// A field of a header.
struct Field {
  std::size_t at, size;
};
constexpr Field kName{0, 100}, kSize{124, 12}, kCheckSum{148, 8}, kMagic{257, 6}, kPrefix{345, 155};
constexpr std::size_t kTypeAt = 156;

/// What a field holds, up to its first zero.
std::string_view text(const Header& header, Field field) {
  const std::string_view whole(reinterpret_cast<const char*>(header.data()) + field.at, field.size);
  return whole.substr(0, whole.find('\0'));
}

std::optional<std::uint64_t> parse(std::string_view digits, int base) {
  const std::size_t first = digits.find_first_not_of(' ');
  if (first == std::string_view::npos) return 0;
  digits.remove_prefix(first);
  digits = digits.substr(0, digits.find(' '));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// Octal digits; or, as GNU has it, a number of 8 bytes behind a byte 0x80.
std::optional<std::uint64_t> number(const Header& header, Field field) {
  if (header[field.at] != 0x80) return parse(text(header, field), 8);
  std::uint64_t value = 0;
  for (std::size_t i = field.at + field.size - 8; i < field.at + field.size; ++i) value = value << 8 | header[i];
  return value;
}

bool is_sound(const Header& header) {
  Header plain = header;
  std::fill_n(plain.begin() + kCheckSum.at, kCheckSum.size, std::uint8_t{' '});
  return number(header, kCheckSum) == std::accumulate(plain.begin(), plain.end(), std::uint64_t{0});
}

/// What extra headers say of the member that follows them.
struct Extra {
  std::optional<std::string> name;
  std::optional<std::uint64_t> size;
  bool is_sparse = false;
};

/// Records "length key=value\n" (POSIX 1003.1-2001, pax). False where they are damaged.
bool read_pax(std::string_view records, Extra& extra) {
  while (!records.empty() && records.front() != '\0') {
    const std::size_t gap = records.find(' ');
    const auto length = parse(records.substr(0, gap), 10);
    if (gap == std::string_view::npos || !length || *length <= gap + 1 || *length > records.size()) return false;
    const std::string_view record = records.substr(gap + 1, *length - gap - 2);
    records.remove_prefix(*length);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    if (key == "path") extra.name = value;
    if (key == "size" && !(extra.size = parse(value, 10))) return false;
    extra.is_sparse |= key.starts_with("GNU.sparse.");
  }
  return true;
}

/// The content of an extra header. False where it is damaged.
bool read_extra(SmallReads& reads, char type, std::uint64_t offset, std::uint64_t size, Extra& extra) {
  if (type != 'x' && type != 'L') return true;  // a link's target, or what holds for all members: no name, no size
  if (size > kMostExtra) return false;
  std::string content(size, '\0');
  reads.read(offset, {reinterpret_cast<std::uint8_t*>(content.data()), content.size()});
  if (type == 'x') return read_pax(content, extra);
  extra.name = content.substr(0, content.find('\0'));
  return true;
}

std::string name_of(const Header& header) {
  const std::string name(text(header, kName));
  // GNU keeps times where ustar has the prefix.
  const std::string_view prefix = text(header, kMagic) == "ustar" ? text(header, kPrefix) : std::string_view();
  return prefix.empty() ? name : std::string(prefix) + "/" + name;
}

[[noreturn]] void fail_at(const DataFile& file, std::uint64_t offset, const std::string& what) {
  throw DataError(what + " at byte " + std::to_string(offset), file.path().string(), "get the file again");
}

/// Why the file does not begin like a tar file.
[[noreturn]] void fail_unknown(const DataFile& file, const Header& header) {
  constexpr std::uint8_t kMagics[][2] = {{0x1f, 0x8b}, {0x28, 0xb5}, {0xfd, '7'}, {'B', 'Z'}};  // gzip, zstd, xz, bzip2
  for (const auto& magic : kMagics)
    if (header[0] == magic[0] && header[1] == magic[1])
      throw DataError("is compressed", file.path().string(),
                      "unpack it to a plain .tar: samples are read in any order, and pictures are compressed already");
  throw DataError("is no tar file", file.path().string(), kWhatToGive);
}

/// Where the block behind the bytes of a member begins.
std::uint64_t end_of(std::uint64_t offset, std::uint64_t size) {
  return offset + (size + kTarBlock - 1) / kTarBlock * kTarBlock;
}

}  // namespace

std::uint64_t TarMember::end() const { return end_of(offset, size); }

std::string_view TarMember::key() const { return std::string_view(name).substr(0, dot()); }
std::string_view TarMember::ending() const { return std::string_view(name).substr(dot()); }

std::size_t TarMember::dot() const { return std::min(name.find('.', name.rfind('/') + 1), name.size()); }

bool TarMember::is_hidden() const { return key().empty() || key().ends_with('/'); }

std::optional<TarMember> TarWalk::next() {
  const DataFile& file = reads_.file();
  Header header;
  Extra extra;
  while (at_ + kTarBlock <= file.size()) {
    reads_.read(at_, header);
    if (std::all_of(header.begin(), header.end(), [](std::uint8_t byte) { return byte == 0; })) return std::nullopt;
    const auto own_size = number(header, kSize);
    if (!is_sound(header) || !own_size) at_ == 0 ? fail_unknown(file, header) : fail_at(file, at_, "is damaged");
    const char type = static_cast<char>(header[kTypeAt]);
    const bool is_extra = type == 'x' || type == 'L' || type == 'K' || type == 'g';
    const std::uint64_t size = is_extra ? *own_size : extra.size.value_or(*own_size), data = at_ + kTarBlock;
    if (size > file.size() - data) fail_at(file, file.size(), "is truncated");
    at_ = end_of(data, size);

    if (is_extra) {
      if (!read_extra(reads_, type, data, size, extra)) fail_at(file, data, "has a damaged header");
      continue;
    }
    if (type == 'S' || extra.is_sparse)
      throw DataError("holds sparse files", file.path().string(), "pack it without --sparse");
    std::string name = extra.name ? *extra.name : name_of(header);
    extra = {};
    if (type == '0' || type == '\0' || type == '7') return TarMember{std::move(name), data, size};
  }
  if (at_ == 0) throw DataError("is no tar file", file.path().string(), kWhatToGive);
  if (at_ < file.size()) fail_at(file, file.size(), "is truncated");
  return std::nullopt;
}

}  // namespace cairn
