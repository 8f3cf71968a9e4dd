#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/export.h"
#include "report/terminal.h"
#include "report/throughput.h"

namespace cairn {

/// "1:02:03", "4:05": a duration as a person reads it.
CAIRN_API std::string duration_text(double seconds);

/// "1.2 k", "345", "0.8": three significant places at most.
CAIRN_API std::string rate_text(double per_second);

/// The one line that says how training goes: a bar that changes in place on a terminal, a plain line every few seconds
/// elsewhere. Called from the training thread only.
class CAIRN_API ProgressBar {
 public:
  static constexpr double kRedrawSeconds = 0.1;
  static constexpr double kPlainSeconds = 10.0;

  /// Training goes from `first_step` (0, or where it resumed) to `last_step`. `clock` gives seconds; steady by default.
  ProgressBar(Terminal& terminal, std::int64_t first_step, std::int64_t last_step, std::int64_t batch_size,
              std::function<double()> clock = {});

  /// `step` steps are done; the loop has waited `waited` seconds for the loader since the process began.
  void step(std::int64_t step, double waited);
  /// The loss to show from now on. (Read back from the device only every so many steps.)
  void loss(double value) { loss_ = value; }
  /// The last probe's result to show from now on: "linear 41.2 %".
  void probe(std::string text) { probe_ = std::move(text); }
  /// Around anything that is not training, so that it does not spoil the pace. `what` is shown meanwhile.
  void pause(const std::string& what);
  void resume();
  /// Takes the bar away, after a last plain line.
  void finish();

  const Throughput& throughput() const { return throughput_; }

 private:
  void draw(double now);
  std::vector<std::string> facts() const;
  std::string bar_line() const;
  std::string plain_line() const;

  Terminal& terminal_;
  std::int64_t step_;
  std::int64_t last_step_;
  std::function<double()> clock_;
  Throughput throughput_;
  std::optional<double> loss_;
  std::string probe_;
  double drawn_at_ = -1e9;
  bool is_finished_ = false;
};

}  // namespace cairn
