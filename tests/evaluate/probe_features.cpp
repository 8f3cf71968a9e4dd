// Probes features that another program wrote: probe_features FOLDER TRAIN TEST WIDTH CLASSES. FOLDER holds train.f32,
// train.i64, test.f32, test.i64 (raw, row-major). Prints one JSON line.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

#include "evaluate/health.h"
#include "evaluate/knn.h"
#include "evaluate/linear_probe.h"

namespace {

at::Tensor read(const std::string& path, at::IntArrayRef sizes, at::ScalarType type) {
  at::Tensor out = at::empty(sizes, type);
  std::ifstream in(path, std::ios::binary);
  if (!in.read(static_cast<char*>(out.mutable_data_ptr()), static_cast<std::streamsize>(out.nbytes())))
    throw std::runtime_error("cannot read " + path);
  return out;
}

cairn::Features read_part(const std::string& path, std::int64_t rows, std::int64_t width) {
  return {read(path + ".f32", {rows, width}, at::kFloat), read(path + ".i64", {rows}, at::kLong), {}, 0};
}

template <class Work>
double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const std::string folder = argv[1];
  const std::int64_t width = std::atoll(argv[4]), classes = std::atoll(argv[5]);
  const cairn::Features train = read_part(folder + "/train", std::atoll(argv[2]), width);
  const cairn::Features test = read_part(folder + "/test", std::atoll(argv[3]), width);
  cairn::LinearProbeResult grid, single;
  double knn = 0.0;
  const double grid_seconds = seconds([&] { grid = cairn::linear_probe(train, test, classes); });
  const double single_seconds = seconds([&] { single = cairn::linear_probe(train, test, classes, {.grid = {1.0}}); });
  const double knn_seconds = seconds([&] { knn = cairn::knn_accuracy(train, test, classes, {.neighbours = 20}); });
  fmt::print(
      "{{\"linear\": {}, \"c\": {}, \"iterations\": {}, \"linear_seconds\": {}, \"linear_c1\": {}, "
      "\"c1_iterations\": {}, \"c1_seconds\": {}, \"knn\": {}, \"knn_seconds\": {}, \"rankme\": {}, "
      "\"effective_rank\": {}, \"feature_std\": {}}}\n",
      grid.accuracy, grid.c, grid.iterations, grid_seconds, single.accuracy, single.iterations, single_seconds, knn,
      knn_seconds, cairn::rankme(test.x), cairn::effective_rank(test.x), cairn::feature_std(test.x));
}
