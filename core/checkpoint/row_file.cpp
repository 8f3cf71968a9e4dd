#include "checkpoint/row_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <span>

#include "cairn/error.h"
#include "checkpoint/npy.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = std::size_t{4} << 20;

bool is_npy(const fs::path& path) { return path.extension() == ".npy"; }

fs::path checked(fs::path path) {
  RowFile::check_ending(path);
  return path;
}

fs::path parts_folder(const fs::path& path) { return path.string() + ".parts"; }

}  // namespace

void RowFile::check_ending(const fs::path& path) {
  if (is_npy(path) || path.extension() == ".safetensors") return;
  throw ConfigError("--out", "'" + path.string() + "' is neither .safetensors nor .npy",
                    "give it one of these endings");
}

RowFile::RowFile(fs::path path, std::string main, std::map<std::string, std::string> metadata)
    : path_(checked(std::move(path))),
      main_(std::move(main)),
      metadata_(std::move(metadata)),
      parts_(parts_folder(path_)) {}

RowFile::Column& RowFile::column(const std::string& name, const at::Tensor& rows) {
  const auto found = columns_.find(name);
  if (found != columns_.end()) return found->second;
  if (is_npy(path_))
    npy_header(rows.scalar_type(), name, 0, {});  // refuses what numpy lacks before anything is written
  Column fresh{std::make_unique<FileWriter>(parts_.file(name)), rows.scalar_type(), rows.sizes().slice(1).vec()};
  return columns_.emplace(name, std::move(fresh)).first->second;
}

void RowFile::append(const TensorMap& rows) {
  if (rows.empty() || (rows_ > 0 && rows.size() != columns_.size())) throw Error("the tensors of a row have changed");
  const std::int64_t count = rows.begin()->second.size(0);
  for (const auto& [name, tensor] : rows) {
    Column& to = column(name, tensor);
    if (tensor.size(0) != count || tensor.scalar_type() != to.type || tensor.sizes().slice(1) != to.shape)
      throw Error(fmt::format("'{}' has rows of another shape than before", name), path_.string(),
                  "samples of one file must be of one size");
    const at::Tensor bytes = tensor.detach().cpu().contiguous();
    to.writer->write(std::span(static_cast<const std::byte*>(bytes.const_data_ptr()), bytes.nbytes()));
  }
  rows_ += count;
}

void RowFile::copy(const std::string& name, FileWriter& to) const {
  std::ifstream from(parts_.file(name), std::ios::binary);
  std::vector<char> piece(kPiece);
  while (from.read(piece.data(), static_cast<std::streamsize>(piece.size())) || from.gcount() > 0)
    to.write(std::string_view(piece.data(), static_cast<std::size_t>(from.gcount())));
  if (!from.eof()) throw Error("cannot read back what was written", parts_.file(name).string());
}

fs::path RowFile::write_safetensors_file() {
  std::map<std::string, TensorShape> shapes;
  for (const auto& [name, column] : columns_) {
    std::vector<std::int64_t> shape = {rows_};
    shape.insert(shape.end(), column.shape.begin(), column.shape.end());
    shapes[name] = {column.type, std::move(shape)};
  }
  write_file_atomically(path_, [&](FileWriter& writer) {
    for (const std::string& name : begin_safetensors(writer, shapes, metadata_)) copy(name, writer);
  });
  return path_;
}

fs::path RowFile::write_npy_file(const std::string& name, const Column& column) {
  fs::path path = path_;
  if (name != main_) path.replace_extension("." + name + ".npy");
  write_file_atomically(path, [&](FileWriter& writer) {
    writer.write(npy_header(column.type, name, rows_, column.shape));
    copy(name, writer);
  });
  return path;
}

std::vector<fs::path> RowFile::finish() {
  for (auto& [name, column] : columns_) column.writer->close();
  if (!is_npy(path_)) return {write_safetensors_file()};
  std::vector<fs::path> files;
  for (const auto& [name, column] : columns_) files.push_back(write_npy_file(name, column));
  return files;
}

}  // namespace cairn
