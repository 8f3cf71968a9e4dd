#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "cairn/modality.h"
#include "cairn/plan.h"

namespace cairn {

/// What training would show and ask of row `row` of a prepared batch, as one picture uint8 [H,W,3]: every view whole,
/// then for each context what the student sees of it, with the places asked about in the colours of their queries.
CAIRN_API at::Tensor preview_sheet(const Modality& modality, const Batch& batch, const Plan& plan, std::int64_t row);

/// The same for other senses, where the modality can render itself: files `stem`.view-N and `stem`.context-N, the
/// latter with all that the student does not see at the view's lowest value. Returns their paths.
CAIRN_API std::vector<std::filesystem::path> preview_renditions(const Modality& modality, const Batch& batch,
                                                                const Plan& plan, std::int64_t row,
                                                                const std::filesystem::path& stem);

/// What the parts of that picture are, a line each, in their order.
CAIRN_API std::string preview_legend(const Batch& batch, const Plan& plan);

}  // namespace cairn
