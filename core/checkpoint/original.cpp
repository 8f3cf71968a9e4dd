#include "checkpoint/original.h"

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/import_read.h>

#include <array>
#include <fstream>
#include <optional>
#include <string_view>

#include "cairn/error.h"

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
    caffe2::serialize::PyTorchStreamReader reader(path.string());
    collect(path, "",
            torch::jit::readArchiveAndTensors("data", "", "", std::nullopt, std::nullopt, std::nullopt, reader), found);
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    refuse(path, "the archive cannot be read: " + first_line(error.what_without_backtrace()),
           "only tensors, numbers, strings, lists and dictionaries are read, and no code is run");
  } catch (const std::exception& error) {
    refuse(path, "the archive cannot be read: " + first_line(error.what()));
  }
  return found;
}

}  // namespace cairn
