#include "data/loader.h"

#include <ATen/ATen.h>
#include <c10/util/ParallelGuard.h>

#include <chrono>
#include <utility>

#include "cairn/error.h"
#include "data/plan_check.h"
#include "plugin/guard.h"

namespace cairn {
namespace {

// So many other samples are tried in place of an unreadable one before the data set is given up.
constexpr int kReplacements = 100;

void pin(Batch& batch) {
  for (View& view : batch.views) view.data = view.data.pin_memory();
}

}  // namespace

Loader::Loader(const Modality& modality, const SampleSource& source, const Masker& masker, Quarantine& quarantine,
               LoaderOptions options)
    : modality_(modality),
      source_(source),
      masker_(masker),
      quarantine_(quarantine),
      options_(std::move(options)),
      order_(options_.seed, source.size()),
      views_(modality.views(Purpose::pretrain)),
      claimed_(options_.first),
      consumed_(options_.first) {
  for (std::int64_t i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { work(); });
}

Loader::~Loader() {
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
  const c10::ParallelGuard serial(true);  // tensor operations here must not start compute threads of their own
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
  std::vector<Sample> samples;
  const std::int64_t first = number * options_.batch_size;
  for (std::int64_t i = 0; i < options_.batch_size; ++i) samples.push_back(read(first + i));
  Load load;
  load.batch = call_plugin(options_.modality_type, [&] { return modality_.collate(samples, Purpose::pretrain); });
  const Progress progress{number / options_.per_step, options_.total_steps, order_.epoch(first)};
  Rng rng(options_.seed, Stream::plan, 0, static_cast<std::uint64_t>(number));
  load.plan =
      call_plugin(options_.masker_type, [&] { return masker_.plan(views_, options_.batch_size, progress, rng); });
  check_plan(load.plan, views_, options_.batch_size);
  if (options_.pin) pin(load.batch);
  return load;
}

Sample Loader::read(std::int64_t position) {
  const auto epoch = static_cast<std::uint64_t>(order_.epoch(position));
  std::int64_t index = order_.index(position);
  Rng other(options_.seed, Stream::replace, epoch, static_cast<std::uint64_t>(index));
  for (int attempt = 0; attempt <= kReplacements; ++attempt) {
    try {
      Rng rng(options_.seed, Stream::load, epoch, static_cast<std::uint64_t>(index));
      if (!quarantine_.holds(index)) {
        Sample sample = call_plugin(options_.modality_type, [&] { return source_.load(index, rng); });
        quarantine_.note_read();
        return sample;
      }
    } catch (const DataError& error) {
      quarantine_.add({index, source_.name(index), error.message()});
    }
    index = other.integer(0, source_.size() - 1);
  }
  throw DataError("no readable sample found in " + std::to_string(kReplacements) + " tries", source_.name(index));
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
