// The one idea of a reader: it trusts nothing. Whatever a file says, it gives samples, or a DataError that names the
// file and says what to do; a run then sets that sample aside and goes on.
#include "wfdb.h"

#include <ATen/ATen.h>

#include <fstream>
#include <sstream>
#include <string>

#include "cairn/error.h"

namespace cairn::ecg {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostLeads = 64;

/// The next line that is neither empty nor a comment; empty at the end of the file.
std::string next_line(std::istream& stream) {
  std::string line;
  while (std::getline(stream, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty() && line[0] != '#') return line;
  }
  return {};
}

/// "200(-5)/mV": gain, baseline in brackets, unit.
void read_gain(const std::string& field, Recording::Lead& lead, bool& has_baseline) {
  std::istringstream stream(field);
  if (!(stream >> lead.gain) || lead.gain == 0) lead.gain = 200;
  has_baseline = stream.peek() == '(' && stream.ignore() && stream >> lead.baseline;
}

void read_lead(const std::string& line, const fs::path& header, Recording& recording) {
  std::istringstream stream(line);
  std::string file, gain;
  int format = 0;
  if (!(stream >> file >> format) || (stream.peek() != ' ' && stream.peek() != EOF))
    throw DataError("the line of a lead cannot be read: " + line, header.string(),
                    "several samples a frame, skews and offsets are not supported");
  if (format != 16 && format != 212)
    throw DataError("samples are in format " + std::to_string(format), header.string(), "convert it to 16 or 212");
  const fs::path samples = header.parent_path() / fs::path(file).filename();
  if (!recording.leads.empty() && (samples != recording.samples || format != recording.format))
    throw DataError("the leads lie in several files or formats", header.string(), "merge them into one");
  recording.samples = samples;
  recording.format = format;
  Recording::Lead lead;
  bool has_baseline = false;
  double resolution = 0, zero = 0;
  if (stream >> gain) read_gain(gain, lead, has_baseline);
  if (stream >> resolution >> zero && !has_baseline) lead.baseline = zero;
  recording.leads.push_back(lead);
}

/// Bytes that `values` samples take.
std::int64_t bytes_of(int format, std::int64_t values) { return format == 16 ? 2 * values : (values * 3 + 1) / 2; }

/// Value `number` of the bytes, sign-extended.
std::int64_t value_at(const std::string& bytes, int format, std::int64_t number) {
  const auto byte = [&](std::int64_t at) -> int { return static_cast<unsigned char>(bytes.at(at)); };
  if (format == 16) return static_cast<std::int16_t>(byte(2 * number) | byte(2 * number + 1) << 8);
  const std::int64_t triple = number / 2 * 3;
  const int value = number % 2 == 0 ? byte(triple) | (byte(triple + 1) & 0x0F) << 8
                                    : byte(triple + 2) | (byte(triple + 1) & 0xF0) << 4;
  return value < 2048 ? value : value - 4096;
}

}  // namespace

Recording read_header(const fs::path& header) {
  std::ifstream stream(header);
  std::istringstream first(next_line(stream));
  std::string name;
  std::int64_t leads = 0;
  Recording recording;
  if (!(first >> name >> leads) || name.find('/') != std::string::npos || leads < 1 || leads > kMostLeads)
    throw DataError("is no header of a single recording", header.string(), "segments are not supported");
  if (!(first >> recording.rate)) recording.rate = 250;
  while (first.good() && first.peek() != ' ') first.ignore();  // counter frequencies
  first >> recording.length;
  for (std::int64_t lead = 0; lead < leads; ++lead) read_lead(next_line(stream), header, recording);

  std::error_code error;
  const auto bytes = static_cast<std::int64_t>(fs::file_size(recording.samples, error));
  if (error) throw DataError("its samples cannot be read: " + error.message(), recording.samples.string());
  const std::int64_t held = (recording.format == 16 ? bytes / 2 : bytes * 2 / 3) / leads;
  if (recording.length <= 0) recording.length = held;
  if (recording.length > held)
    throw DataError("is cut short", recording.samples.string(), "copy it again, or remove its header");
  return recording;
}

at::Tensor read_excerpt(const Recording& recording, std::int64_t begin, std::int64_t length) {
  const auto leads = static_cast<std::int64_t>(recording.leads.size());
  const std::int64_t first = begin * leads / 2 * 2,
                     last = (begin + length) * leads;  // a pair of 12-bit values is whole
  std::string bytes(static_cast<std::size_t>(bytes_of(recording.format, last - first)), '\0');
  std::ifstream stream(recording.samples, std::ios::binary);
  stream.seekg(bytes_of(recording.format, first));
  if (!stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
    throw DataError("ends too early", recording.samples.string(), "copy it again, or remove its header");
  const std::int64_t invalid = recording.format == 16 ? -32768 : -2048;
  at::Tensor excerpt = at::empty({leads, length});
  auto values = excerpt.accessor<float, 2>();
  for (std::int64_t i = 0; i < length; ++i)
    for (std::int64_t lead = 0; lead < leads; ++lead) {
      const auto& [gain, baseline] = recording.leads[static_cast<std::size_t>(lead)];
      const std::int64_t value = value_at(bytes, recording.format, (begin + i) * leads + lead - first);
      values[lead][i] = value == invalid ? 0.0F : static_cast<float>((static_cast<double>(value) - baseline) / gain);
    }
  return excerpt;
}

}  // namespace cairn::ecg
