#pragma once

#include "cairn/export.h"

namespace cairn {

/// While it lives, the first SIGINT or SIGTERM only asks for a stop; a second one ends the process at once.
class CAIRN_API InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool requested() const;
};

}  // namespace cairn
