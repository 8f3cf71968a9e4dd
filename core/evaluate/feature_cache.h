#pragma once

#include <torch/nn/module.h>

#include <filesystem>
#include <functional>
#include <string>

#include "cairn/error.h"
#include "cairn/export.h"
#include "evaluate/features.h"

namespace cairn {

/// SHA-1 over every parameter and buffer of a module, with names and shapes, as 40 hexadecimal digits.
CAIRN_API std::string weights_digest(const torch::nn::Module& module);

/// `embed`, but what it once made of a view is read back from `folder`: files are named after the digest of the view's
/// values and of `key`, which must tell apart networks and ways to embed. Old files do no harm and may be removed.
/// Where the folder cannot be written to, `tell` is called, each time, and features are not kept; without it an Error
/// is thrown.
CAIRN_API Embed cached_embed(Embed embed, std::string key, std::filesystem::path folder,
                             std::function<void(const Error&)> tell = nullptr);

}  // namespace cairn
