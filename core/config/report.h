#pragma once

#include <string>
#include <vector>

#include "cairn/error.h"
#include "cairn/export.h"
#include "config/setting.h"

namespace cairn {

/// An experiment that cannot be run as written: what() is the whole report, every problem with its place.
class CAIRN_API ExperimentError : public Error {
 public:
  using Error::Error;
  ExperimentError(const ExperimentError&) = default;
  ~ExperimentError() override;
};

/// One thing wrong with an experiment, in the user's terms.
struct Problem {
  Origin at;
  std::string text;
  std::string advice = {};  // beside the caret: what to do about it
  std::string note = {};    // a line of its own
};

/// "file:line:column: error: …", the source line, a caret and the notes; no newline at the end.
CAIRN_API std::string describe(const Problem& problem);

/// Collects problems, to show them all at once in the order of the files.
class CAIRN_API ProblemReport {
 public:
  void add(Problem problem) { problems_.push_back(std::move(problem)); }
  bool empty() const { return problems_.empty(); }
  /// ExperimentError with every problem, if there is one.
  void raise() const;

 private:
  std::vector<Problem> problems_;
};

}  // namespace cairn
