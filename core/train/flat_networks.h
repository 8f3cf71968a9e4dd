#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <vector>

#include "cairn/export.h"
#include "config/settings.h"
#include "model/composition.h"
#include "model/flat_parameters.h"

namespace cairn {

/// Moves what is trained to `device`, its parameters and gradients in flat memory: the student first, as names and
/// order decide the layout that teacher and moments share.
CAIRN_API std::unique_ptr<FlatParameters> flatten_student(const Composition& parts, const std::vector<OptimRule>& rules,
                                                          at::Device device);

/// The same of the teacher, without gradients; null where there is none.
CAIRN_API std::unique_ptr<FlatParameters> flatten_teacher(const Composition& parts, const std::vector<OptimRule>& rules,
                                                          at::Device device);

}  // namespace cairn
