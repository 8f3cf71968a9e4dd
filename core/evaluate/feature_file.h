#pragma once

#include <filesystem>

#include "cairn/export.h"
#include "evaluate/features.h"

namespace cairn {

/// Frozen features of a training and a test part, with labels 0 .. classes-1.
struct FeatureSet {
  Features train, test;
  std::int64_t classes = 0;
};

/// Reads features from a folder of train.npy, train_labels.npy, test.npy and test_labels.npy, from a .safetensors file
/// with tensors of these names, or from what `cairn extract` wrote as .safetensors (`pooled`, `label`, `split`).
/// DataError where something is missing or does not fit together.
CAIRN_API FeatureSet read_feature_set(const std::filesystem::path& path);

/// Class centres and noise, as shared by programs that are timed against one another: centres normal [classes,width],
/// labels uniform, features normal plus `signal` times the centre. The same for the same seed and LibTorch.
CAIRN_API FeatureSet draw_feature_set(std::int64_t train, std::int64_t test, std::int64_t width, std::int64_t classes,
                                      double signal, std::uint64_t seed);

}  // namespace cairn
