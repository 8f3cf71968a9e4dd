#pragma once

#include <memory>
#include <string>

#include "cairn/export.h"
#include "cairn/modality.h"

namespace cairn {

/// The same modality, of whose exceptions, and of those of its sources and its companion, `type` ("image.folder") is
/// told as call_plugin() does.
CAIRN_API std::shared_ptr<Modality> guarded_modality(std::shared_ptr<const Modality> modality, std::string type);

}  // namespace cairn
