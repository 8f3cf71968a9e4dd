#include "image_set.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "cairn/error.h"

namespace cairn::image {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 30;

/// What is taken for a picture when a folder is read.
const FileFilter& picture_files() {
  static const FileFilter filter{"image",
                                 {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
                                  ".pbm", ".pnm", ".qoi", ".tga", ".avif", ".jp2", ".jpe", ".jfif"}};
  return filter;
}

std::vector<std::uint8_t> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw DataError(std::string("cannot be opened (") + std::strerror(errno) + ")", path.string());
  const std::streamoff size = file.tellg();
  if (size < 0 || size > kMaxFileBytes) throw DataError("is no regular file below 1 GiB", path.string());
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  file.seekg(0);
  if (size > 0 && !file.read(reinterpret_cast<char*>(bytes.data()), size))
    throw DataError("cannot be read", path.string(), "check that it is a readable file");
  return bytes;
}

/// Picture files by path.
class PictureFiles : public ImageSet {
 public:
  explicit PictureFiles(FileSet files) : files_(std::move(files)) {}

  std::int64_t size() const override { return files_.size(); }
  std::int64_t label(std::int64_t index) const override { return files_.label(index); }
  std::string name(std::int64_t index) const override { return files_.path(index).string(); }
  Content fetch(std::int64_t index) const override { return read_file(files_.path(index)); }
  const std::vector<std::string>& classes() const override { return files_.classes(); }

 private:
  FileSet files_;
};

std::unique_ptr<ImageSet> of_pictures(std::unique_ptr<FileSet> files) {
  return files ? std::make_unique<PictureFiles>(std::move(*files)) : nullptr;
}

}  // namespace

std::unique_ptr<ImageSet> open_folder(const fs::path& path, Split split, double test_share) {
  return of_pictures(cairn::open_folder(picture_files(), path, split, test_share));
}

std::unique_ptr<ImageSet> open_list(const fs::path& path, const fs::path& test_path, Split split, double test_share) {
  return of_pictures(cairn::open_list(picture_files(), path, test_path, split, test_share));
}

}  // namespace cairn::image
