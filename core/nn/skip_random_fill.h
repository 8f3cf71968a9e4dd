#pragma once

#include <c10/core/impl/LocalDispatchKeySet.h>

#include "cairn/export.h"

namespace cairn::nn {

/// While it lives, what this thread would fill with random values keeps its memory untouched: for networks whose
/// weights are about to be replaced. One of some gigabytes is then built without a page of it being written.
class CAIRN_API SkipRandomFill {
 public:
  SkipRandomFill();
  /// Whether one lives on this thread.
  static bool is_active();

 private:
  c10::impl::IncludeDispatchKeyGuard guard_;
};

}  // namespace cairn::nn
