#include "report/tensorboard.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "cairn/error.h"
#include "interface/host_name.h"

namespace cairn {
namespace {

constexpr std::string_view kEventsPrefix = "events.out.tfevents.";

constexpr std::array<std::uint32_t, 256> crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) ? 0x82F63B78U : 0U);
    table[i] = value;
  }
  return table;
}

/// TFRecord's mask: a checksum of data that hold checksums would be weak.
std::uint32_t masked_crc(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U; }

template <class T>
std::string little_endian(T value) {
  std::string out;
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  return out + static_cast<char>(value);
}

// Protobuf fields: number << 3 | wire type (0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes).
std::string field(int number, std::int64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3) + varint(static_cast<std::uint64_t>(value));
}
std::string field(int number, double value) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 1) + little_endian(std::bit_cast<std::uint64_t>(value));
}
std::string field(int number, float value) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 5) + little_endian(std::bit_cast<std::uint32_t>(value));
}
std::string field(int number, std::string_view bytes) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Event { double wall_time = 1; int64 step = 2; … }
std::string event_head(std::int64_t step) { return field(1, wall_time()) + field(2, step); }

/// A second no event file of the folder has yet: TensorBoard reads files in the order of their names.
std::int64_t unused_second(const std::filesystem::path& folder) {
  std::error_code ignored;
  auto second = static_cast<std::int64_t>(wall_time());
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kEventsPrefix)) continue;
    second = std::max<std::int64_t>(second, std::strtoll(name.c_str() + kEventsPrefix.size(), nullptr, 10) + 1);
  }
  return second;
}

std::string file_name(std::int64_t second) {
  char stamp[32];
  std::snprintf(stamp, sizeof stamp, "%010lld", static_cast<long long>(second));
  return std::string(kEventsPrefix) + stamp + "." + host_name() + "." + std::to_string(getpid()) + ".0";
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = kTable[(crc ^ static_cast<unsigned char>(c)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

TensorBoardLog::TensorBoardLog(const std::filesystem::path& folder, std::optional<std::int64_t> resume_step) {
  std::error_code ignored;  // a folder that cannot be made shows when the file is opened
  std::filesystem::create_directories(folder, ignored);
  path_ = folder / file_name(unused_second(folder));
  file_.open(path_, std::ios::binary | std::ios::trunc);
  if (!file_) throw Error("the event file cannot be written", path_.string(), "check the folder and its permissions");
  record(event_head(0) + field(3, std::string_view("brain.Event:2")));
  // session_log = 7 { status = 1: START = 1 }; events at or after its step are purged.
  if (resume_step) record(event_head(*resume_step + 1) + field(7, field(1, std::int64_t{1})));
}

void TensorBoardLog::write(std::int64_t step, const Metrics& metrics) {
  std::string values;
  for (const auto& [name, value] : metrics) {
    if (!std::isfinite(value)) continue;
    values += field(1, field(1, std::string_view(name)) + field(2, static_cast<float>(value)));
  }
  if (!values.empty()) record(event_head(step) + field(5, values));
}

void TensorBoardLog::record(std::string_view event) {
  const std::string length = little_endian(static_cast<std::uint64_t>(event.size()));
  file_ << length << little_endian(masked_crc(length)) << event << little_endian(masked_crc(event)) << std::flush;
  if (!file_) throw Error("an event cannot be written", path_.string(), "check the free space on the disk");
}

}  // namespace cairn
