#pragma once

#include <functional>
#include <string>
#include <vector>

namespace cairn::conformance {

enum class Outcome { passed, failed, skipped };

/// What one check of the kit came to.
struct Finding {
  std::string subject;  // "plugin radar", "masker radar.band"
  std::string check;    // "every row has as many tokens"
  Outcome outcome = Outcome::passed;
  std::string detail;  // what was seen: figures, the fault, or why it was skipped
  std::string advice;  // where the plugin's author should look, of a failure
};

/// Thrown by a check that does not hold, with what was seen.
struct Fault {
  std::string what;
};

/// Thrown by a check that cannot be made here, with the reason.
struct Skip {
  std::string why;
};

/// Throws Fault with `what` unless `holds`.
void require(bool holds, const std::string& what);

/// Collects findings; hands each on as soon as it is made.
class Findings {
 public:
  using Listener = std::function<void(const Finding&)>;

  explicit Findings(Listener listener) : listener_(std::move(listener)) {}

  /// What the next checks are about.
  void about(std::string subject) { subject_ = std::move(subject); }
  /// Makes a check: `body` returns what is worth telling, or throws Fault, Skip, or whatever the plugin throws, which
  /// is a failure too. Returns whether it passed.
  bool check(const std::string& name, const std::string& advice, const std::function<std::string()>& body);

  const std::vector<Finding>& all() const { return all_; }
  std::size_t count(Outcome outcome) const;

 private:
  Listener listener_;
  std::string subject_;
  std::vector<Finding> all_;
};

}  // namespace cairn::conformance
