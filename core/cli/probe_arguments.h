#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/probe_subject.h"
#include "cli/source_arguments.h"
#include "evaluate/task.h"

namespace cairn::cli {

/// What `cairn probe` was asked for; 0 or empty: as the subject says.
struct ProbeArguments {
  SourceArguments source;
  ProbeRequest request;
  std::string kind = "linear";
  std::string labels = "classes";
  Task task = Task::classes;
  std::int64_t views = 0;
  std::string recipe = "cairn";
  double low_shot = 0.0;
  std::int64_t folds = 0;
  std::int64_t seeds = 1;
  std::int64_t train_samples = 0, test_samples = 0;
  std::int64_t neighbours = 0;
  std::int64_t epochs = 0;
  std::int64_t blocks = -1;
  std::vector<double> lrs, weight_decays;
  std::string device = "auto";
  std::string cache;
  bool raw = false;
  bool json = false;
};

}  // namespace cairn::cli
