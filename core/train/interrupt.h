#pragma once

#include "cairn/export.h"

namespace cairn {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP (a terminal that closes) only asks for a stop; a second one ends
/// the process at once. Below nohup SIGHUP asks for nothing.
/// That nobody reads the output any more (SIGPIPE) is no reason to stop. Guards may live within each other, on one
/// thread: a request that one has seen the others see too.
class CAIRN_API InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool requested() const;
};

}  // namespace cairn
