#include "data/loader.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <exception>
#include <utility>

#include "cairn/error.h"
#include "data/device_copy.h"
#include "data/plan_check.h"
#include "kernels/split_work.h"
#include "plugin/guard.h"

namespace cairn {
namespace {

// So many other samples are tried in place of an unreadable one before the data set is given up.
constexpr int kReplacements = 100;

/// How many of the first `batches` batches belong to a companion: the first one does, and of two the second does not.
std::int64_t companion_batches(std::int64_t batches, double share) {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(batches) * share - 1e-9));
}

}  // namespace

Loader::Loader(const std::vector<Feed>& feeds, const Masker& masker, LoaderOptions options)
    : masker_(masker), options_(std::move(options)), claimed_(options_.first), consumed_(options_.first) {
  walks_.emplace_back(feeds.at(0), options_.seed);
  if (feeds.size() > 1) walks_.emplace_back(feeds[1], Rng(options_.seed, Stream::companion).bits64());
  try {
    for (std::int64_t i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::exception& error) {  // std::bad_alloc where memory for them runs out
    stop();
    throw Error(fmt::format("the system starts {} of {} threads: {}", threads_.size(), options_.workers, error.what()),
                "train.workers", "lower it");
  }
}

Loader::~Loader() { stop(); }

void Loader::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Load Loader::next() {
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [&] { return failure_ || done_.contains(consumed_); });
  waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto found = done_.find(consumed_);
  if (found == done_.end()) std::rethrow_exception(failure_);
  Load load = std::move(found->second);
  done_.erase(found);
  ++consumed_;
  room_.notify_all();
  return load;
}

double Loader::take_wait() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waited_, 0.0);
}

void Loader::work() {
  kernels::work_alone();  // tensor operations here must not start compute threads of their own
  for (;;) {
    std::int64_t number = 0;
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [&] { return stop_ || failure_ || claimed_ < consumed_ + options_.queue; });
      if (stop_ || failure_ || claimed_ >= options_.count) return;
      number = claimed_++;
    }
    try {
      Load load = make(number);
      const std::lock_guard lock(mutex_);
      done_.emplace(number, std::move(load));
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    ready_.notify_all();
    room_.notify_all();
  }
}

Load Loader::make(std::int64_t number) {
  const double share = walks_.size() > 1 ? walks_.back().feed.share : 0.0;
  const std::int64_t others = companion_batches(number, share);
  const bool is_other = companion_batches(number + 1, share) > others;
  Walk& walk = is_other ? walks_.back() : walks_.front();
  const std::int64_t first = (is_other ? others : number - others) * options_.batch_size;
  std::vector<Sample> samples;
  for (std::int64_t i = 0; i < options_.batch_size; ++i) samples.push_back(read(walk, first + i));
  Load load;
  load.feed = &walk.feed;
  load.batch = walk.feed.modality.collate(samples, Purpose::pretrain);
  const Progress progress{number / options_.per_step, options_.total_steps, walk.order.epoch(first)};
  Rng rng(options_.seed, Stream::plan, 0, static_cast<std::uint64_t>(number));
  load.plan = call_in_table(options_.masker_type, "masker",
                            [&] { return masker_.plan(walk.views, options_.batch_size, progress, rng); });
  check_plan(load.plan, walk.views, options_.batch_size);
  if (options_.pin) pin(load);
  return load;
}

Sample Loader::read(Walk& walk, std::int64_t position) {
  const Feed& feed = walk.feed;
  const auto epoch = static_cast<std::uint64_t>(walk.order.epoch(position));
  std::int64_t index = walk.order.index(position);
  Rng other(walk.seed, Stream::replace, epoch, static_cast<std::uint64_t>(index));
  for (int attempt = 0; attempt <= kReplacements; ++attempt) {
    try {
      Rng rng(walk.seed, Stream::load, epoch, static_cast<std::uint64_t>(index));
      if (!feed.quarantine.holds(index)) {
        Sample sample = feed.source.load(index, rng);
        feed.quarantine.note_read();
        return sample;
      }
    } catch (const DataError& error) {
      feed.quarantine.add({index, feed.source.name(index), error.message()});
    }
    index = other.integer(0, feed.source.size() - 1);
  }
  throw DataError("no readable sample found in " + std::to_string(kReplacements) + " tries", feed.source.name(index));
}

Load next_or_tell(Loader& loader, const std::function<void()>& tell) {
  try {
    return loader.next();
  } catch (const DataError&) {
    tell();
    throw;
  }
}

}  // namespace cairn
