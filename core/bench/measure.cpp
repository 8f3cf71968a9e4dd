#include "bench/measure.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include "cairn/error.h"

namespace cairn {
namespace {

double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

Stopwatch::Stopwatch() : wall_(seconds(CLOCK_MONOTONIC)), processor_(seconds(CLOCK_PROCESS_CPUTIME_ID)) {}

double Stopwatch::wall_seconds() const { return seconds(CLOCK_MONOTONIC) - wall_; }

double Stopwatch::processor_seconds() const { return seconds(CLOCK_PROCESS_CPUTIME_ID) - processor_; }

void synchronize(c10::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

Spread spread_of(std::span<const double> values) {
  if (values.empty()) throw Error("nothing was measured");
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t middle = sorted.size() / 2;
  const double median = sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return {median, sorted.front(), sorted.back()};
}

}  // namespace cairn
