#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
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

/// Samples that fill batches of their own: an experiment's, or those of its modality's companion.
struct Feed {
  const Modality& modality;
  const SampleSource& source;
  Quarantine& quarantine;
  double share = 1.0;  // of all batches
};

/// One batch and what is seen and asked of it.
struct Load {
  Batch batch;
  Plan plan;
  const Feed* feed = nullptr;  // whose batch it is, as long as the loader lives
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
  std::string masker_type;       // full name, for messages
  bool pin = false;              // page-locked memory, for copies to a device
};

/// Loads, collates and plans batches on worker threads. Batch n is the same whatever the number of workers and wherever
/// one starts: all randomness is counted from (seed, epoch, sample) and (seed, batch).
class CAIRN_API Loader {
 public:
  /// One feed, or two that come in turn: the second one has its share of the batches, evenly spread.
  Loader(const std::vector<Feed>& feeds, const Masker& masker, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch in order; waits for it. Rethrows what a worker ran into.
  Load next();
  /// Seconds spent waiting in next() since the last call.
  double take_wait();

 private:
  /// A feed on its walk over its samples.
  struct Walk {
    Walk(const Feed& source, std::uint64_t own_seed)
        : feed(source),
          seed(own_seed),
          order(own_seed, source.source.size(), source.source.read_order()),
          views(source.modality.views(Purpose::pretrain)) {}

    Feed feed;
    std::uint64_t seed;
    SampleOrder order;
    std::vector<ViewLayout> views;
  };

  void work();
  void stop();
  Load make(std::int64_t number);
  Sample read(Walk& walk, std::int64_t position);

  const Masker& masker_;
  LoaderOptions options_;
  std::list<Walk> walks_;  // own, companion

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
