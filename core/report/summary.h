#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "evaluate/alarms.h"
#include "evaluate/probe.h"
#include "evaluate/significance.h"

namespace cairn {

/// One embedding of the final table: "trained teacher", "untrained encoder", "raw input".
struct ResultRow {
  std::string name;
  std::optional<ProbeResult> result;
};

/// The table at the end of a run: accuracies in percent, feature std, effective rank. `reason` says why there are no
/// results when no row has one.
CAIRN_API std::string result_table(std::span<const ResultRow> rows, const std::string& reason);

/// A plugin as it was loaded.
struct PluginFacts {
  std::string name;
  std::string version;
  std::filesystem::path path;
};

/// The checkpoint with the best probe, and the evidence.
struct BestCheckpoint {
  std::filesystem::path path;
  std::int64_t step = 0;
  std::string measure;  // "linear"
  double value = 0.0;
  std::optional<Interval> interval;  // bootstrap over the test samples
};

/// A probe while training; `test` is the number of its test samples, 0 where it is not known.
struct OnlineProbe {
  std::int64_t step = 0;
  double linear = 0.0;
  double knn = 0.0;
  std::int64_t test = 0;
};

/// What run.json says of a run. `status`: running, done, interrupted or failed.
struct RunFacts {
  std::string status = "running";
  std::string name;
  std::string error;  // what made it fail
  std::string cairn_version;
  std::string torch_version;
  std::vector<PluginFacts> plugins;
  std::string device;
  std::string cpu;
  std::int64_t threads = 0;
  std::uint64_t seed = 0;
  std::vector<std::string> command;
  std::string started;  // UTC, of the first process
  std::string ended;
  double wall_seconds = 0.0;    // of all processes of the run
  std::int64_t first_step = 0;  // where this process began: above 0 after a resume
  std::int64_t step = 0;        // optimizer steps done in all
  std::int64_t steps = 0;       // asked for
  std::optional<double> samples_per_second;
  double loader_wait_share = 0.0;
  double flops_per_step = 0.0;  // of products, convolutions and attention; 0 where no step was made
  std::int64_t unreadable_samples = 0;
  std::int64_t peak_memory_bytes = 0;
  std::optional<std::int64_t> peak_device_memory_bytes;
  std::vector<ResultRow> results;
  std::string no_result_reason;
  std::optional<BestCheckpoint> best;
  std::vector<OnlineProbe> online;  // the evidence for the best checkpoint
  std::vector<std::string> classes;
  std::vector<Alarm> alarms;
};

/// What an earlier process of the same run left in run.json about its pace: started, wall_seconds, step,
/// samples_per_second, loader_wait_share, flops_per_step and peaks of memory. The rest, and what it does not tell, is
/// as in a new run.
CAIRN_API RunFacts earlier_facts(const std::filesystem::path& path);

/// Adds the pace of an earlier process to that of `facts`, which began where it ended: rates are means over the steps
/// of both, peaks the larger ones.
CAIRN_API void add_pace(RunFacts& facts, const RunFacts& earlier);

/// Writes run.json atomically: at the start, at the end, and when something it tells has changed.
CAIRN_API void write_run_facts(const std::filesystem::path& path, const RunFacts& facts);

/// The lines below the table: samples/s, peak memory, wall time, and where the run folder lies.
CAIRN_API std::string closing_lines(const RunFacts& facts, const std::filesystem::path& run_folder);

/// Largest resident memory of this process (VmHWM), in bytes; 0 where the system does not tell.
CAIRN_API std::int64_t peak_memory();
/// Most device memory LibTorch has reserved at once, in bytes; nothing on the CPU.
CAIRN_API std::optional<std::int64_t> peak_device_memory(at::Device device);
/// The processor's name as /proc/cpuinfo gives it.
CAIRN_API std::string cpu_name();

}  // namespace cairn
