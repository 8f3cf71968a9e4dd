#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cairn/export.h"
#include "cairn/masker.h"
#include "cairn/modality.h"
#include "data/quarantine.h"
#include "data/sample_order.h"

namespace cairn {

/// One batch and what is seen and asked of it.
struct Load {
  Batch batch;
  Plan plan;
};

struct LoaderOptions {
  std::uint64_t seed = 0;
  std::int64_t batch_size = 1;
  std::int64_t workers = 1;
  std::int64_t queue = 1;        // batches loaded ahead
  std::int64_t first = 0;        // number of the first batch, for a resumed run
  std::int64_t count = 0;        // batches in all, counted from 0
  std::int64_t total_steps = 1;  // horizon of Progress
  std::int64_t per_step = 1;     // batches in an optimizer step
  std::string modality_type;     // full names, for messages
  std::string masker_type;
  bool pin = false;  // page-locked memory, for copies to a device
};

/// Loads, collates and plans batches on worker threads. Batch n is the same whatever the number of workers and wherever
/// one starts: all randomness is counted from (seed, epoch, sample) and (seed, batch).
class CAIRN_API Loader {
 public:
  Loader(const Modality& modality, const SampleSource& source, const Masker& masker, Quarantine& quarantine,
         LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch in order; waits for it. Rethrows what a worker ran into.
  Load next();
  /// Seconds spent waiting in next() since the last call.
  double take_wait();

 private:
  void work();
  Load make(std::int64_t number);
  Sample read(std::int64_t position);

  const Modality& modality_;
  const SampleSource& source_;
  const Masker& masker_;
  Quarantine& quarantine_;
  LoaderOptions options_;
  SampleOrder order_;
  std::vector<ViewLayout> views_;

  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::map<std::int64_t, Load> done_;
  std::exception_ptr failure_;
  std::int64_t claimed_;   // next batch a worker will make
  std::int64_t consumed_;  // next batch next() will hand out
  bool stop_ = false;
  double waited_ = 0.0;
  std::vector<std::thread> threads_;
};

/// The next batch. Where data stop it, as where too many samples cannot be read, `tell` is called before the error goes
/// on.
CAIRN_API Load next_or_tell(Loader& loader, const std::function<void()>& tell);

}  // namespace cairn
