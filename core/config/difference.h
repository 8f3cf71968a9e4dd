#pragma once

#include <string>
#include <vector>

#include "cairn/export.h"
#include "config/document.h"

namespace cairn {

/// A setting in which two experiments differ. A side is null where there is no such setting.
struct Difference {
  std::string key;  // "optim.lr"
  const ResolvedEntry* before = nullptr;
  const ResolvedEntry* after = nullptr;
};

/// In the order of `before`, and behind them what only `after` has. Both must outlive the result.
CAIRN_API std::vector<Difference> differences(const ResolvedDocument& before, const ResolvedDocument& after);

}  // namespace cairn
