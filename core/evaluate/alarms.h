#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// Something a person should look at: its kind ("collapse"), the step it was seen at, and a sentence with advice.
struct Alarm {
  std::string kind;
  std::int64_t step = 0;
  std::string text;
};

/// Watches the figures of logged steps for collapse, and speaks once of each kind. A rank alone proves nothing: healthy
/// runs halve it and recover (docs/collapse.md), so a fall counts when the loss falls away with it, or when it is deep
/// and the features have not spread instead (a direction that grows takes the rank down, though nothing is lost).
class CAIRN_API Alarms {
 public:
  /// `has_teacher`: whether the targets come from a moving average, which the advice then is about.
  explicit Alarms(bool has_teacher) : has_teacher_(has_teacher) {}

  /// The alarms that the figures of one logged step raise; figures by their names in metrics.jsonl.
  std::vector<Alarm> observe(std::int64_t step, const std::vector<std::pair<std::string, double>>& figures);

 private:
  using Figures = std::map<std::string, double>;

  std::optional<std::string> rank_fall(std::int64_t step, const Figures& figures);
  std::optional<std::string> spread_fall(std::int64_t step, const Figures& figures);
  std::optional<std::string> point(const Figures& figures) const;
  std::optional<std::string> shortcut(const Figures& figures) const;
  /// True when `seen` has been so for kPatience logged steps in a row.
  bool lasts(const std::string& kind, bool seen);

  /// What to do against a representation that is collapsing.
  const char* advice() const;

  bool has_teacher_;
  std::int64_t records_ = 0;
  double first_loss_ = 0.0;
  double first_spread_ = 0.0;
  double peak_ = 0.0;
  std::optional<double> peak_deviation_;
  std::int64_t peak_step_ = 0;
  std::map<std::string, int> lasting_;
  std::set<std::string> told_;
};

}  // namespace cairn
