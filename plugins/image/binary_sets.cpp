#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <memory>
#include <optional>

#include "cairn/error.h"
#include "image_set.h"

namespace cairn::image {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

struct GzipCloser {
  void operator()(gzFile_s* file) const { gzclose(file); }
};

/// A whole file, unpacked if it is gzipped.
Bytes read_unpacked(const fs::path& path) {
  const std::unique_ptr<gzFile_s, GzipCloser> file(gzopen(path.c_str(), "rb"));
  if (!file) throw DataError("cannot be opened", path.string(), "check that it is a readable file");
  constexpr std::size_t kChunk = 1 << 20;
  Bytes bytes;
  for (;;) {
    const std::size_t at = bytes.size();
    bytes.resize(at + kChunk);
    const int count = gzread(file.get(), bytes.data() + at, kChunk);
    bytes.resize(at + static_cast<std::size_t>(std::max(count, 0)));
    int code = Z_OK;
    gzerror(file.get(), &code);
    if (count < 0 || code == Z_BUF_ERROR)
      throw DataError("is a damaged or truncated gzip file", path.string(), "download it again");
    if (count == 0) return bytes;
  }
}

/// Pictures of equal size in memory, channels one after the other, and their labels.
class PixelSet : public ImageSet {
 public:
  PixelSet(std::string source, int width, int height, int channels)
      : source_(std::move(source)), width_(width), height_(height), channels_(channels) {}

  void add(const std::uint8_t* planes, std::int64_t label) {
    planes_.insert(planes_.end(), planes, planes + picture_bytes());
    labels_.push_back(static_cast<std::int32_t>(label));
  }
  void set_classes(std::vector<std::string> classes) { classes_ = std::move(classes); }
  void reserve(std::size_t pictures) {
    planes_.reserve(pictures * picture_bytes());
    labels_.reserve(pictures);
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  std::int64_t label(std::int64_t index) const override { return labels_.at(static_cast<std::size_t>(index)); }
  std::string name(std::int64_t index) const override { return source_ + " #" + std::to_string(index); }
  const std::vector<std::string>& classes() const override { return classes_; }
  Content fetch(std::int64_t index) const override {
    Picture picture(width_, height_);
    const std::uint8_t* planes = planes_.data() + static_cast<std::size_t>(index) * picture_bytes();
    const std::size_t area = picture.rgb.size() / 3;
    for (std::size_t i = 0; i < area; ++i)
      for (std::size_t c = 0; c < 3; ++c) picture.rgb[3 * i + c] = planes[channels_ == 3 ? c * area + i : i];
    return picture;
  }

 private:
  std::size_t picture_bytes() const { return static_cast<std::size_t>(width_ * height_ * channels_); }

  std::string source_;
  int width_, height_, channels_;
  Bytes planes_;
  std::vector<std::int32_t> labels_;
  std::vector<std::string> classes_;
};

/// Which CIFAR a folder holds: files of each part, and how a record begins.
struct CifarLayout {
  std::vector<fs::path> train, test;
  std::size_t label_bytes = 1;
  std::vector<std::string> classes;
};

std::vector<std::string> read_names(const fs::path& path) {
  std::vector<std::string> names;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) names.push_back(line);
  return names;
}

CifarLayout find_cifar(const fs::path& path) {
  for (const fs::path& folder : {path, path / "cifar-10-batches-bin", path / "cifar-100-binary"}) {
    CifarLayout layout;
    for (int i = 1; i <= 5; ++i)
      if (const fs::path file = folder / ("data_batch_" + std::to_string(i) + ".bin"); fs::exists(file))
        layout.train.push_back(file);
    if (fs::exists(folder / "test_batch.bin")) layout.test.push_back(folder / "test_batch.bin");
    layout.classes = read_names(folder / "batches.meta.txt");
    if (layout.classes.empty())
      layout.classes = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
    if (!layout.train.empty() || !layout.test.empty()) return layout;

    if (fs::exists(folder / "train.bin")) layout.train.push_back(folder / "train.bin");
    if (fs::exists(folder / "test.bin")) layout.test.push_back(folder / "test.bin");
    layout.label_bytes = 2;  // coarse, then fine
    layout.classes = read_names(folder / "fine_label_names.txt");
    for (int i = static_cast<int>(layout.classes.size()); i < 100; ++i) layout.classes.push_back(std::to_string(i));
    if (!layout.train.empty() || !layout.test.empty()) return layout;
  }
  throw DataError("holds no CIFAR in its binary version", path.string(),
                  "looked for data_batch_1.bin … test_batch.bin (CIFAR-10) and train.bin, test.bin (CIFAR-100)");
}

/// Adds the records of one file that belong to `split`.
void add_cifar_file(const fs::path& path, const CifarLayout& layout, Divider& divider, Split split, PixelSet& set) {
  const Bytes bytes = read_unpacked(path);
  const std::size_t record = layout.label_bytes + 3072;
  if (bytes.empty() || bytes.size() % record != 0)
    throw DataError("is truncated: " + std::to_string(bytes.size()) + " bytes are no whole number of records of " +
                        std::to_string(record),
                    path.string(), "download it again");
  for (std::size_t at = 0; at < bytes.size(); at += record) {
    const std::int64_t label = bytes[at + layout.label_bytes - 1];
    if (label >= static_cast<std::int64_t>(layout.classes.size()))
      throw DataError("has the label " + std::to_string(label) + " where there are " +
                          std::to_string(layout.classes.size()) + " classes",
                      path.string(), "this is no CIFAR file, or a damaged one");
    if (divider.takes(split, label)) set.add(bytes.data() + at + layout.label_bytes, label);
  }
}

std::uint32_t big_endian(const Bytes& bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 | std::uint32_t{bytes[at + 2]} << 8 |
         bytes[at + 3];
}

/// An IDX file of unsigned bytes: its dimensions, and where the values begin.
struct Idx {
  Bytes bytes;
  std::vector<std::uint32_t> extent;

  std::size_t begin() const { return 4 + 4 * extent.size(); }
};

Idx read_idx(const fs::path& path, std::size_t dimensions) {
  Idx idx{read_unpacked(path), {}};
  const std::uint32_t magic = 0x0800 + static_cast<std::uint32_t>(dimensions);
  if (idx.bytes.size() < 4 + 4 * dimensions || big_endian(idx.bytes, 0) != magic)
    throw DataError("is no IDX file of bytes with " + std::to_string(dimensions) + " dimensions (wrong magic number)",
                    path.string(), "name the file of the images, such as train-images-idx3-ubyte.gz");
  std::uint64_t values = 1;
  for (std::size_t d = 0; d < dimensions; ++d) {
    idx.extent.push_back(big_endian(idx.bytes, 4 + 4 * d));
    values *= idx.extent.back();
    if (values > idx.bytes.size()) break;  // already too much; stops before the product overflows
  }
  if (idx.extent.size() != dimensions || values + idx.begin() != idx.bytes.size())
    throw DataError("is truncated: its size does not fit its header", path.string(), "download it again");
  return idx;
}

bool is_idx_images(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.find("images") != std::string::npos && name.find("idx3") != std::string::npos;
}

bool is_test_part(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("t10k") || name.starts_with("test") || name.starts_with("val");
}

/// The file of the labels beside a file of images, or nothing.
std::optional<fs::path> labels_beside(const fs::path& images) {
  std::string name = images.filename().string();
  for (const auto& [from, to] : {std::pair{"images", "labels"}, std::pair{"idx3", "idx1"}})
    if (const auto at = name.find(from); at != std::string::npos) name.replace(at, std::string_view(from).size(), to);
  if (name == images.filename().string()) return std::nullopt;
  const std::string bare = name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
  for (const std::string& candidate : {name, bare, bare + ".gz"})
    if (fs::exists(images.parent_path() / candidate)) return images.parent_path() / candidate;
  return std::nullopt;
}

/// Which file to read for a part, and whether its end stands in for a test part.
struct IdxPart {
  fs::path images;
  bool divided = false;
};

IdxPart find_idx(const fs::path& path, Split split) {
  if (!fs::is_directory(path)) return {path, false};
  std::optional<fs::path> train, test;
  for (const auto& entry : fs::directory_iterator(path))
    if (is_idx_images(entry.path())) (is_test_part(entry.path()) ? test : train) = entry.path();
  if (!train && !test)
    throw DataError("holds no IDX images", path.string(),
                    "looked for names such as train-images-idx3-ubyte and t10k-images-idx3-ubyte.gz");
  if (train && test) return {split == Split::train ? *train : *test, true};
  return {train ? *train : *test, false};
}

}  // namespace

std::unique_ptr<ImageSet> open_cifar(const fs::path& path, Split split, double test_share) {
  require_data(path);
  const CifarLayout layout = find_cifar(path);
  const bool divided = !layout.train.empty() && !layout.test.empty();
  const auto& files = divided ? (split == Split::train ? layout.train : layout.test)
                              : (layout.train.empty() ? layout.test : layout.train);
  auto set = std::make_unique<PixelSet>(path.string() + (split == Split::train ? " (train)" : " (test)"), 32, 32, 3);
  Divider divider(divided ? 0 : test_share);
  for (const fs::path& file : files) add_cifar_file(file, layout, divider, divided ? Split::train : split, *set);
  set->set_classes(layout.classes);
  if (set->size() == 0) return nullptr;
  return set;
}

std::unique_ptr<ImageSet> open_idx(const fs::path& path, Split split, double test_share) {
  require_data(path);
  const IdxPart part = find_idx(path, split);
  const Idx images = read_idx(part.images, 3);
  const auto count = static_cast<std::int64_t>(images.extent[0]);
  const auto height = static_cast<int>(images.extent[1]), width = static_cast<int>(images.extent[2]);
  if (count == 0 || height == 0 || width == 0)
    throw DataError("holds no images", part.images.string(), "download it again");
  std::optional<Idx> labels;
  const auto label_file = labels_beside(part.images);
  if (label_file) labels = read_idx(*label_file, 1);
  if (labels && labels->extent[0] != images.extent[0])
    throw DataError("has " + std::to_string(labels->extent[0]) + " labels for " + std::to_string(count) + " images",
                    label_file->string(), "both files must be of the same part");

  const auto kept =
      part.divided ? count : count - static_cast<std::int64_t>(std::llround(test_share * static_cast<double>(count)));
  const std::int64_t first = !part.divided && split == Split::test ? kept : 0;
  const std::int64_t last = !part.divided && split == Split::train ? kept : count;
  if (first >= last) return nullptr;
  auto set = std::make_unique<PixelSet>(part.images.string(), width, height, 1);
  set->reserve(static_cast<std::size_t>(last - first));
  std::int64_t highest = -1;
  const std::size_t area = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  for (std::int64_t i = first; i < last; ++i) {
    const auto at = static_cast<std::size_t>(i);
    set->add(images.bytes.data() + images.begin() + at * area, labels ? labels->bytes[labels->begin() + at] : -1);
  }
  if (labels)
    highest =
        *std::max_element(labels->bytes.begin() + static_cast<std::ptrdiff_t>(labels->begin()), labels->bytes.end());
  std::vector<std::string> classes;
  for (std::int64_t i = 0; i <= highest; ++i) classes.push_back(std::to_string(i));
  set->set_classes(std::move(classes));
  return set;
}

}  // namespace cairn::image
