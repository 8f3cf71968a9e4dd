#include "evaluate/feature_file.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "cairn/error.h"
#include "checkpoint/npy.h"
#include "checkpoint/safetensors.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

TensorMap read_tensors(const fs::path& path) {
  if (!fs::is_directory(path)) return read_safetensors(path).tensors;
  TensorMap tensors;
  for (const char* name : {"train", "train_labels", "test", "test_labels"})
    tensors[name] = read_npy(path / (std::string(name) + ".npy"));
  return tensors;
}

const at::Tensor& need(const TensorMap& tensors, const std::string& name, const fs::path& path) {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  throw DataError("there is no tensor '" + name + "' in it", path.string(),
                  "name features that cairn extract wrote, or train, train_labels, test and test_labels");
}

Features part(const at::Tensor& x, const at::Tensor& y, const fs::path& path, const std::string& what) {
  Features out{x.to(at::kFloat).contiguous(), y.to(at::kLong).contiguous(), {}, 0};
  check_features(out.x, out.y, path.string() + ", " + what);
  for (std::int64_t i = 0; i < out.size(); ++i) out.index.push_back(i);
  return out;
}

}  // namespace

FeatureSet read_feature_set(const fs::path& path) {
  const TensorMap tensors = read_tensors(path);
  FeatureSet set;
  if (tensors.contains("train")) {
    set.train = part(need(tensors, "train", path), need(tensors, "train_labels", path), path, "train");
    set.test = part(need(tensors, "test", path), need(tensors, "test_labels", path), path, "test");
  } else {
    const Features all = part(need(tensors, "pooled", path), need(tensors, "label", path), path, "pooled");
    const at::Tensor split = need(tensors, "split", path).to(at::kLong).flatten();
    const auto rows = [&](std::int64_t which) {
      const at::Tensor index = split.eq(which).nonzero().flatten().contiguous();
      return labelled(
          select_rows(all, {index.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(index.numel())}));
    };
    if (split.size(0) != all.size()) throw DataError("split has not one entry a row", path.string());
    set.train = rows(0);
    set.test = rows(1);
  }
  if (set.train.size() == 0 || set.test.size() == 0)
    throw DataError("there are no labelled rows of both parts", path.string(),
                    "extract features of data with a training and a test part");
  if (set.train.x.size(1) != set.test.x.size(1))
    throw DataError("features of the two parts differ in width", path.string());
  if (std::min(set.train.y.min().item<std::int64_t>(), set.test.y.min().item<std::int64_t>()) < 0)
    throw DataError("a label is negative", path.string());
  set.classes = 1 + std::max(set.train.y.max().item<std::int64_t>(), set.test.y.max().item<std::int64_t>());
  return set;
}

FeatureSet draw_feature_set(std::int64_t train, std::int64_t test, std::int64_t width, std::int64_t classes,
                            double signal, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor centres = at::randn({classes, width}, generator);
  const at::Tensor labels = at::randint(0, classes, {train + test}, generator, at::kLong);
  at::Tensor x = at::randn({train + test, width}, generator);
  for (std::int64_t begin = 0; begin < x.size(0); begin += 4096) {
    const std::int64_t rows = std::min<std::int64_t>(4096, x.size(0) - begin);
    x.narrow(0, begin, rows).add_(centres.index_select(0, labels.narrow(0, begin, rows)), signal);
  }
  FeatureSet set;
  set.train = {x.narrow(0, 0, train), labels.narrow(0, 0, train), {}, 0};
  set.test = {x.narrow(0, train, test), labels.narrow(0, train, test), {}, 0};
  set.classes = classes;
  return set;
}

}  // namespace cairn
