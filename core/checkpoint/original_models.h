#pragma once

#include <filesystem>

#include "cairn/export.h"
#include "checkpoint/published.h"

namespace cairn {

/// Reads a checkpoint as the papers' repositories publish it, or timm: I-JEPA, V-JEPA 1, 2 and 2.1, DINO, DINOv2, MAE,
/// VideoMAE, AudioMAE. `path` is the file (.pth, .pth.tar, .pt or .safetensors), or a folder with one of them. Sizes
/// that the file does not hold come from `architecture.json` beside it, where there is one, else from the published
/// models of that width. DataError where neither tells the number of heads, and with every name that no network has a
/// place for, unless `is_partial`.
CAIRN_API PublishedModel read_original_model(const std::filesystem::path& path, bool is_partial = false);

/// Whether a file of this name is one that read_original_model looks for in a folder.
CAIRN_API bool is_checkpoint_name(const std::filesystem::path& path);

}  // namespace cairn
