#include "image_set.h"

#include <utility>

#include "media/decode.h"

namespace cairn::image {
namespace {

namespace fs = std::filesystem;

/// What is taken for a picture when a folder is read.
const FileFilter& picture_files() {
  static const FileFilter filter{"image",
                                 {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
                                  ".pbm", ".pnm", ".qoi", ".tga", ".avif", ".jp2", ".jpe", ".jfif"}};
  return filter;
}

/// Picture files by path.
class PictureFiles : public ImageSet {
 public:
  explicit PictureFiles(FileSet files) : files_(std::move(files)) {}

  std::int64_t size() const override { return files_.size(); }
  std::int64_t label(std::int64_t index) const override { return files_.label(index); }
  std::string name(std::int64_t index) const override { return files_.path(index).string(); }
  Content fetch(std::int64_t index) const override { return media::read_file(files_.path(index)); }
  const std::vector<std::string>& classes() const override { return files_.classes(); }

 private:
  FileSet files_;
};

/// Picture files in tar files.
class PictureShards : public ImageSet {
 public:
  explicit PictureShards(std::unique_ptr<ShardSet> shards) : shards_(std::move(shards)) {}

  std::int64_t size() const override { return shards_->size(); }
  std::int64_t label(std::int64_t index) const override { return shards_->label(index); }
  std::string name(std::int64_t index) const override { return shards_->name(index); }
  Content fetch(std::int64_t index) const override { return shards_->read(index); }
  const std::vector<std::string>& classes() const override { return shards_->classes(); }
  ReadOrder read_order() const override { return shards_->read_order(); }

 private:
  std::unique_ptr<ShardSet> shards_;
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

std::unique_ptr<ImageSet> open_shards(const ShardOptions& shards, Split split) {
  auto opened = cairn::open_shards(picture_files(), shards, split);
  return opened ? std::make_unique<PictureShards>(std::move(opened)) : nullptr;
}

}  // namespace cairn::image
