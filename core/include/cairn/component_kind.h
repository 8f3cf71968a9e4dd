#pragma once

#include <cstdint>

#include "cairn/export.h"

namespace cairn {

/// The six things a plugin can offer.
enum class ComponentKind : std::uint8_t { modality, encoder, projector, masker, predictor, objective };

/// "modality", "encoder" and so on, as the tables of an experiment are called.
CAIRN_API const char* kind_name(ComponentKind kind);

}  // namespace cairn
