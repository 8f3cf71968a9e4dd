#include "checkpoint/npy.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <regex>

#include "cairn/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFrontBytes = 10, kAlign = 64;  // bytes before the dictionary in version 1.0, and of the whole
constexpr std::size_t kLongestHeader = 1 << 12;

struct Kind {
  at::ScalarType type;
  const char* name;
};

// Byte strings are uint8 columns in safetensors; here as well.
constexpr std::array<Kind, 8> kKinds = {{{at::kFloat, "<f4"},
                                         {at::kDouble, "<f8"},
                                         {at::kHalf, "<f2"},
                                         {at::kLong, "<i8"},
                                         {at::kInt, "<i4"},
                                         {at::kByte, "|u1"},
                                         {at::kBool, "|b1"},
                                         {at::kShort, "<i2"}}};

[[noreturn]] void refuse_array(const fs::path& path, const std::string& why) {
  throw DataError(why, path.string(), "write it with numpy.save, row-major, as numbers");
}

/// The dictionary at the front of the file.
std::string read_header(std::ifstream& file, const fs::path& path) {
  std::array<char, 12> prefix{};
  file.read(prefix.data(), kFrontBytes);
  if (!file || std::string_view(prefix.data(), 6) != "\x93NUMPY") refuse_array(path, "this is not a .npy file");
  const bool is_wide = prefix[6] > 1;
  if (is_wide) file.read(prefix.data() + kFrontBytes, 2);
  std::size_t length = 0;
  for (std::size_t i = is_wide ? 12 : 10; i-- > 8;) length = length << 8 | static_cast<std::uint8_t>(prefix[i]);
  if (!file || length > kLongestHeader) refuse_array(path, "the header of this .npy file is damaged");
  std::string text(length, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(length)))
    refuse_array(path, "the header of this .npy file is damaged");
  return text;
}

at::ScalarType type_of(const std::string& header, const fs::path& path) {
  std::smatch found;
  if (!std::regex_search(header, found, std::regex(R"('descr':\s*'([^']*)')")))
    refuse_array(path, "the header names no type");
  const std::string name = found[1];
  for (const Kind& kind : kKinds)
    if (name == kind.name || (name.size() == 3 && name.substr(1) == kind.name + 1 && name[0] != '>')) return kind.type;
  refuse_array(path, fmt::format("numbers of type '{}' are not read", name));
}

std::vector<std::int64_t> shape_of(const std::string& header, const fs::path& path) {
  std::smatch found;
  if (!std::regex_search(header, found, std::regex(R"('shape':\s*\(([\d,\s]*)\))")))
    refuse_array(path, "the header names no shape");
  const std::string sizes = found[1];
  std::vector<std::int64_t> shape;
  const std::regex number(R"(\d{1,18})");
  for (std::sregex_iterator it(sizes.begin(), sizes.end(), number), end; it != end; ++it)
    shape.push_back(std::stoll(it->str()));
  return shape;
}

}  // namespace

std::string npy_header(at::ScalarType type, const std::string& name, std::int64_t rows,
                       const std::vector<std::int64_t>& shape) {
  const auto kind = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& k) { return k.type == type; });
  if (kind == kKinds.end())
    throw ConfigError("--out", "numpy has no type for '" + name + "', which is " + std::string(c10::toString(type)),
                      "write .safetensors, or float32");
  std::string sizes = fmt::format("{},", rows);
  for (const std::int64_t size : shape) sizes += fmt::format(" {},", size);
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", kind->name, sizes);
  text.append((kAlign - (kFrontBytes + text.size() + 1) % kAlign) % kAlign, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

at::Tensor read_npy(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw DataError("cannot read it", path.string());
  const std::string header = read_header(file, path);
  if (header.find("'fortran_order': True") != std::string::npos) refuse_array(path, "this .npy file is column-major");
  const std::vector<std::int64_t> shape = shape_of(header, path);
  const at::ScalarType type = type_of(header, path);
  const auto begin = file.tellg();
  file.seekg(0, std::ios::end);
  const auto bytes = static_cast<double>(file.tellg() - begin);
  double wanted = static_cast<double>(c10::elementSize(type));
  for (const std::int64_t size : shape) wanted *= static_cast<double>(size);
  if (bytes != wanted) refuse_array(path, "this .npy file is longer or shorter than its header says");
  at::Tensor out = at::empty(shape, type);
  file.seekg(begin);
  file.read(static_cast<char*>(out.mutable_data_ptr()), static_cast<std::streamsize>(out.nbytes()));
  if (!file) refuse_array(path, "this .npy file cannot be read to its end");
  return out;
}

}  // namespace cairn
