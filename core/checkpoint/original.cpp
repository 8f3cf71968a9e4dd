#include "checkpoint/original.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/unpickler.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>

#include "cairn/error.h"
#include "checkpoint/pickle_check.h"

namespace cairn {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why, const std::string& advice = {}) {
  throw DataError(why, path.string(), advice);
}

void check_is_archive(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse(path, "the checkpoint cannot be opened", "check the path");
  std::array<char, 4> magic{};
  file.read(magic.data(), magic.size());
  if (!file || std::string_view(magic.data(), magic.size()) != std::string_view("PK\x03\x04", 4))
    refuse(path, "this is no PyTorch zip archive",
           "files of PyTorch before 1.6 must be loaded and saved again in Python");
}

using Reader = caffe2::serialize::PyTorchStreamReader;

/// PyTorch stores records as they are. Those that unpack to more than the file holds are a bomb.
void check_not_packed(const std::filesystem::path& path, Reader& reader) {
  std::uint64_t unpacked = 0;
  for (const std::string& name : reader.getAllRecords()) unpacked += reader.getRecordSize(name);
  if (unpacked > std::filesystem::file_size(path))
    refuse(path, fmt::format("the archive unpacks to {} bytes, more than the file has", unpacked),
           "PyTorch never packs its archives: get the file again from where it was published");
}

/// The sizes of the records that tensors lie in, by where they are in memory.
using Records = std::map<const void*, std::size_t>;

at::IValue unpickle(Reader& reader, Records& records) {
  const auto [pickle, size] = reader.getRecord("data.pkl");
  const std::string text = plain_pickle({static_cast<const char*>(pickle.get()), size});
  std::size_t position = 0;
  const auto read = [&](char* out, std::size_t count) {
    count = std::min(count, text.size() - position);
    std::memcpy(out, text.data() + position, count);
    position += count;
    return count;
  };
  const auto read_record = [&](const std::string& name) {
    auto [data, length] = reader.getRecord("data/" + name);
    records[data.get()] = length;
    return std::move(data);
  };
  torch::jit::Unpickler unpickler(read, nullptr, nullptr, read_record, at::Device(at::kCPU));
  unpickler.set_version(reader.version());
  return unpickler.parse_ivalue();
}

/// Whether every value lies in the tensor's storage. The reader does not look.
bool lies_in_storage(const at::Tensor& tensor) {
  // Wider than any product of the pickle's 64-bit numbers that is still a valid place.
  __extension__ using Wide = __int128;
  Wide last = tensor.storage_offset();
  if (last < 0) return false;
  const Wide end = static_cast<Wide>(tensor.storage().nbytes() / tensor.element_size());
  for (std::int64_t i = 0; i < tensor.dim(); ++i) {
    if (tensor.size(i) < 0 || tensor.stride(i) < 0) return false;
    if (tensor.size(i) == 0) return true;
    last += Wide{tensor.size(i) - 1} * tensor.stride(i);
    if (last >= end) return false;
  }
  return last < end;
}

/// The reader believes what the pickle says of a storage's size; it must be there in the file.
void check_storage(const std::filesystem::path& path, const std::string& name, const at::Tensor& tensor,
                   const Records& records) {
  if (!tensor.defined() || tensor.layout() != at::kStrided || !tensor.device().is_cpu() || tensor.is_quantized())
    refuse(path, fmt::format("'{}' is no plain tensor", name));
  if (!lies_in_storage(tensor)) refuse(path, fmt::format("'{}' lies outside its storage", name));
  if (tensor.numel() == 0) return;
  const auto found = records.find(tensor.storage().data());
  if (found == records.end() || tensor.storage().nbytes() > found->second)
    refuse(path, fmt::format("'{}' claims more values than the file holds", name),
           "get the file again from where it was published");
}

/// Whether this is a dictionary and the versions that modules keep beside it.
bool is_with_state(at::ArrayRef<at::IValue> items) {
  return items.size() == 2 && items[0].isGenericDict() && items[1].isGenericDict() &&
         items[1].toGenericDict().size() == 1 && items[1].toGenericDict().contains(at::IValue("_metadata"));
}

/// Collects tensors below `value`; anything that is no plain data is refused.
void collect(const std::filesystem::path& path, const std::string& name, const at::IValue& value, Tensors& found) {
  if (value.isTensor()) {
    found[name] = value.toTensor();
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      std::string key;
      if (entry.key().isString()) {
        key = entry.key().toStringRef();
      } else if (entry.key().isInt()) {
        key = std::to_string(entry.key().toInt());
      } else {
        refuse(path, fmt::format("a key of dictionary '{}' is a {}", name, entry.key().tagKind()));
      }
      collect(path, name.empty() ? key : name + "/" + key, entry.value(), found);
    }
  } else if (value.isList()) {
    const auto items = value.toListRef();
    for (std::size_t i = 0; i < items.size(); ++i) collect(path, fmt::format("{}/{}", name, i), items[i], found);
  } else if (value.isTuple()) {
    const auto& items = value.toTupleRef().elements();
    if (is_with_state(items.asArrayRef())) return collect(path, name, items[0], found);
    for (std::size_t i = 0; i < items.size(); ++i) collect(path, fmt::format("{}/{}", name, i), items[i], found);
  } else if (!value.isScalar() && !value.isString() && !value.isNone() && !value.isBool()) {
    refuse(path, fmt::format("'{}' is a {}; only tensors, numbers, strings, lists and dictionaries are read", name,
                             value.tagKind()));
  }
}

/// The first sentence of what LibTorch's unpickler says.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Tensors read_pickled_tensors(const std::filesystem::path& path) {
  check_is_archive(path);
  Tensors found;
  try {
    Reader reader(path.string());
    check_not_packed(path, reader);
    Records records;
    collect(path, "", unpickle(reader, records), found);
    for (const auto& [name, tensor] : found) check_storage(path, name, tensor, records);
  } catch (const Error& error) {
    if (!error.where().empty()) throw;
    refuse(path, "the archive cannot be read: " + error.message(), error.advice());
  } catch (const c10::Error& error) {
    refuse(path, "the archive cannot be read: " + first_line(error.what_without_backtrace()),
           "only tensors, numbers, strings, lists and dictionaries are read, and no code is run");
  } catch (const std::exception& error) {
    refuse(path, "the archive cannot be read: " + first_line(error.what()));
  }
  return found;
}

}  // namespace cairn
