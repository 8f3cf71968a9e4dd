#include "checkpoint/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors holds little-endian numbers");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLargestHeader = 100'000'000;  // the limit of the reference implementation
constexpr std::size_t kLargestRank = 64;
constexpr int kDeepestHeader = 3;  // header { tensor { shape [
constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::string_view kBrokenAdvice = "get the file again or use another checkpoint";

struct Type {
  std::string_view name;
  at::ScalarType scalar;
};

constexpr std::array kTypes = {Type{"F64", at::kDouble},    Type{"F32", at::kFloat}, Type{"F16", at::kHalf},
                               Type{"BF16", at::kBFloat16}, Type{"I64", at::kLong},  Type{"I32", at::kInt},
                               Type{"I16", at::kShort},     Type{"I8", at::kChar},   Type{"U8", at::kByte},
                               Type{"BOOL", at::kBool}};

// A private mapping of a whole file. Writable, so that an in-place operation on a view is no crash.
class Mapping {
 public:
  explicit Mapping(const fs::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) fail(path, errno);
    struct stat status {};
    const bool known = ::fstat(descriptor, &status) == 0;
    if (!known || !S_ISREG(status.st_mode)) {
      ::close(descriptor);
      throw Error("is not a file", path.string(), "give the path of a .safetensors file");
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ > 0) data_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0);
    const int error_number = errno;
    ::close(descriptor);
    if (data_ == MAP_FAILED) fail(path, error_number);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (size_ > 0) ::munmap(data_, size_);
  }

  std::span<std::byte> bytes() const { return {static_cast<std::byte*>(data_), size_}; }

  // Gives whole pages before `end` back; they are read from the file again when touched.
  void release_until(std::size_t end) const {
    const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    if (end >= page) ::madvise(data_, end / page * page, MADV_DONTNEED);
  }

 private:
  [[noreturn]] static void fail(const fs::path& path, int error_number) {
    throw Error("cannot read: " + std::generic_category().message(error_number), path.string());
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin;  // bytes from the start of the data
  std::uint64_t end;
};

[[noreturn]] void broken(const std::string& what) { throw Error(what, {}, std::string(kBrokenAdvice)); }

// JSON that must not name anything twice; nlohmann would silently keep the last.
Json parse_header(std::string_view text) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&keys](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kDeepestHeader) broken("the header is nested too deeply");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      broken("the header names '" + parsed.get<std::string>() + "' twice");
    }
    return true;
  };
  try {
    Json header = Json::parse(text, watch);
    if (!header.is_object()) broken("the header is no JSON object");
    return header;
  } catch (const Json::exception&) {
    broken("the header is no valid JSON");
  }
}

std::map<std::string, std::string> parse_metadata(const Json& json) {
  if (!json.is_object()) broken("__metadata__ is no table of strings");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string()) broken("__metadata__ holds something other than strings, at '" + key + "'");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

const Json& member(const Json& json, const std::string& tensor, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  if (!json.is_object() || found == json.end()) broken("tensor '" + tensor + "' has no " + key);
  return *found;
}

at::ScalarType parse_type(const Json& json, const std::string& tensor) {
  if (!json.is_string()) broken("tensor '" + tensor + "' has a dtype that is no string");
  const auto name = json.get<std::string>();
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& type) { return type.name == name; });
  if (found == kTypes.end()) {
    throw Error("tensor '" + tensor + "' has dtype '" + name + "', which Cairn does not read", {},
                "convert it to F32 or BF16");
  }
  return found->scalar;
}

// Sizes and their product (zeros counted as one, so that no stride overflows either) must fit in int64 bytes.
std::vector<std::int64_t> parse_shape(const Json& json, const std::string& tensor, std::uint64_t item_size) {
  if (!json.is_array()) broken("tensor '" + tensor + "' has a shape that is no list");
  if (json.size() > kLargestRank) broken("tensor '" + tensor + "' has too many dimensions");
  std::vector<std::int64_t> shape;
  std::int64_t product = static_cast<std::int64_t>(item_size);
  for (const Json& size : json) {
    if (!size.is_number_unsigned()) broken("tensor '" + tensor + "' has a shape with something but whole numbers");
    const auto value = size.get<std::uint64_t>();
    std::int64_t next = 0;
    if (value > INT64_MAX || __builtin_mul_overflow(product, std::max<std::int64_t>(1, std::int64_t(value)), &next)) {
      broken("tensor '" + tensor + "' has an impossibly large shape");
    }
    product = next;
    shape.push_back(static_cast<std::int64_t>(value));
  }
  return shape;
}

std::uint64_t byte_count(const Entry& entry) {
  std::uint64_t count = at::elementSize(entry.type);
  for (const std::int64_t size : entry.shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

Entry parse_entry(const std::string& name, const Json& json, std::uint64_t data_size) {
  Entry entry{name, parse_type(member(json, name, "dtype"), name), {}, 0, 0};
  entry.shape = parse_shape(member(json, name, "shape"), name, at::elementSize(entry.type));
  const Json& offsets = member(json, name, "data_offsets");
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned()) {
    broken("tensor '" + name + "' has data_offsets that are not two whole numbers from 0");
  }
  entry.begin = offsets[0].get<std::uint64_t>();
  entry.end = offsets[1].get<std::uint64_t>();
  if (entry.begin > entry.end) broken("tensor '" + name + "' ends before it begins");
  if (entry.end > data_size) broken("tensor '" + name + "' lies beyond the end of the file (is it truncated?)");
  if (entry.end - entry.begin != byte_count(entry)) {
    broken("tensor '" + name + "' has " + std::to_string(entry.end - entry.begin) + " bytes where its shape needs " +
           std::to_string(byte_count(entry)));
  }
  return entry;
}

// The tensors must fill the data exactly: no gap, no overlap, no rest.
void check_layout(std::vector<Entry>& entries, std::uint64_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const Entry& left, const Entry& right) {
    return std::tie(left.begin, left.end, left.name) < std::tie(right.begin, right.end, right.name);
  });
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin < position) broken("tensor '" + entry.name + "' overlaps another");
    if (entry.begin > position) broken("there is a gap in the data before tensor '" + entry.name + "'");
    position = entry.end;
  }
  if (position != data_size) {
    broken("there are " + std::to_string(data_size - position) + " bytes behind the last tensor");
  }
}

struct OpenFile {
  std::shared_ptr<const Mapping> mapping;
  std::uint64_t data_offset = 0;
  std::vector<Entry> entries;  // in the order of the data
  std::map<std::string, std::string> metadata;
};

OpenFile open_checked(const fs::path& path) {
  OpenFile file{std::make_shared<const Mapping>(path), 0, {}, {}};
  const std::span<std::byte> bytes = file.mapping->bytes();
  if (bytes.size() < kLengthBytes) broken("the file is too short for a safetensors file");
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), kLengthBytes);
  if (header_size > kLargestHeader) broken("the header claims to be larger than 100 MB; this is no safetensors file");
  if (header_size > bytes.size() - kLengthBytes) broken("the file ends within its header (is it truncated?)");
  file.data_offset = kLengthBytes + header_size;
  const auto* text = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
  const Json header = parse_header({text, static_cast<std::size_t>(header_size)});
  const std::uint64_t data_size = bytes.size() - file.data_offset;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadataKey) {
      file.metadata = parse_metadata(value);
    } else {
      file.entries.push_back(parse_entry(name, value, data_size));
    }
  }
  check_layout(file.entries, data_size);
  return file;
}

// Adds the path to errors about the content, which are made without it.
OpenFile open_safetensors(const fs::path& path) {
  try {
    return open_checked(path);
  } catch (const Error& error) {
    if (!error.where().empty()) throw;
    throw Error(error.message(), path.string(), error.advice());
  }
}

at::Tensor view_of(const OpenFile& file, const Entry& entry, const fs::path& path) {
  const auto options = at::TensorOptions().dtype(entry.type);
  if (entry.begin == entry.end) return at::empty(entry.shape, options);
  std::byte* data = file.mapping->bytes().data() + file.data_offset + entry.begin;
  if (entry.type == at::kBool) {
    const std::span values(data, entry.end - entry.begin);
    if (std::any_of(values.begin(), values.end(), [](std::byte value) { return value > std::byte{1}; })) {
      throw Error("tensor '" + entry.name + "' holds booleans other than 0 and 1", path.string(),
                  std::string(kBrokenAdvice));
    }
  }
  if (reinterpret_cast<std::uintptr_t>(data) % at::elementSize(entry.type) != 0) {
    at::Tensor aligned = at::empty(entry.shape, options);
    std::memcpy(aligned.mutable_data_ptr(), data, entry.end - entry.begin);
    return aligned;
  }
  return at::from_blob(
      data, entry.shape, [mapping = file.mapping](void*) {}, options);
}

std::string_view type_name(at::ScalarType scalar, const std::string& tensor) {
  for (const Type& type : kTypes) {
    if (type.scalar == scalar) return type.name;
  }
  throw Error("tensor '" + tensor + "' has type " + std::string(c10::toString(scalar)) +
              ", which a safetensors file written by Cairn cannot hold");
}

using Shapes = std::map<std::string, TensorShape>;

// Largest items first, so that every tensor is aligned in a mapped file; by name within.
std::vector<Shapes::const_iterator> data_order(const Shapes& tensors) {
  std::vector<Shapes::const_iterator> order;
  for (auto item = tensors.begin(); item != tensors.end(); ++item) {
    if (item->first == kMetadataKey) throw Error("a tensor must not be named __metadata__");
    order.push_back(item);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& left, const auto& right) {
    return at::elementSize(left->second.type) > at::elementSize(right->second.type);
  });
  return order;
}

std::string make_header(const std::vector<Shapes::const_iterator>& order,
                        const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header[std::string(kMetadataKey)] = metadata;
  std::uint64_t position = 0;
  for (const auto& item : order) {
    const auto& [type, shape] = item->second;
    std::uint64_t end = at::elementSize(type);
    for (const std::int64_t size : shape) end *= static_cast<std::uint64_t>(size);
    end += position;
    header[item->first] = {
        {"dtype", type_name(type, item->first)}, {"shape", shape}, {"data_offsets", {position, end}}};
    position = end;
  }
  try {
    std::string text = header.dump();
    text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
    if (text.size() > kLargestHeader) throw Error("the names of the tensors are too long for a safetensors file");
    return text;
  } catch (const Json::exception&) {
    throw Error("a tensor's name or a metadata string is no valid UTF-8");
  }
}

}  // namespace

SafetensorsFile read_safetensors(const fs::path& path) {
  OpenFile file = open_safetensors(path);
  SafetensorsFile result;
  for (const Entry& entry : file.entries) result.tensors[entry.name] = view_of(file, entry, path);
  result.metadata = std::move(file.metadata);
  result.release_pages = [mapping = file.mapping] { mapping->release_until(mapping->bytes().size()); };
  return result;
}

void visit_safetensors(const fs::path& path,
                       const std::function<void(const std::string& name, const at::Tensor& view)>& visit) {
  const OpenFile file = open_safetensors(path);
  for (const Entry& entry : file.entries) {
    visit(entry.name, view_of(file, entry, path));
    file.mapping->release_until(file.data_offset + entry.end);
  }
}

std::vector<std::string> begin_safetensors(FileWriter& writer, const Shapes& tensors,
                                           const std::map<std::string, std::string>& metadata) {
  const auto order = data_order(tensors);
  const std::string header = make_header(order, metadata);
  const std::uint64_t header_size = header.size();
  writer.write(std::as_bytes(std::span(&header_size, 1)));
  writer.write(header);
  std::vector<std::string> names;
  for (const auto& item : order) names.push_back(item->first);
  return names;
}

void write_safetensors(FileWriter& writer, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Shapes shapes;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined() || tensor.layout() != at::kStrided)
      throw Error("tensor '" + name + "' is undefined or sparse and cannot be written");
    shapes[name] = {tensor.scalar_type(), tensor.sizes().vec()};
  }
  for (const std::string& name : begin_safetensors(writer, shapes, metadata)) {
    const at::Tensor tensor = tensors.at(name).detach().cpu().contiguous();
    writer.write(std::span(static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()));
  }
}

void write_safetensors(const fs::path& path, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_file_atomically(path, [&](FileWriter& writer) { write_safetensors(writer, tensors, metadata); });
}

}  // namespace cairn
