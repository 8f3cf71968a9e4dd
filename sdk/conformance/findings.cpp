#include "conformance/findings.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <exception>

namespace cairn::conformance {

void require(bool holds, const std::string& what) {
  if (!holds) throw Fault{what};
}

bool Findings::check(const std::string& name, const std::string& advice, const std::function<std::string()>& body) {
  Finding finding{subject_, name, Outcome::passed, {}, {}};
  const auto fail = [&](const std::string& what) {
    finding.outcome = Outcome::failed;
    finding.detail = what;
    finding.advice = advice;
  };
  try {
    finding.detail = body();
  } catch (const Fault& fault) {
    fail(fault.what);
  } catch (const Skip& skip) {
    finding.outcome = Outcome::skipped;
    finding.detail = skip.why;
  } catch (const c10::Error& error) {
    fail(error.what_without_backtrace());
  } catch (const std::exception& error) {
    fail(error.what());
  } catch (...) {
    fail("threw something that is no std::exception");
  }
  all_.push_back(std::move(finding));
  listener_(all_.back());
  return all_.back().outcome == Outcome::passed;
}

std::size_t Findings::count(Outcome outcome) const {
  return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(), [&](const Finding& finding) { return finding.outcome == outcome; }));
}

}  // namespace cairn::conformance
