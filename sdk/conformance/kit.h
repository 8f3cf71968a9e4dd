#pragma once

#include <map>
#include <string>

#include "cairn/options.h"
#include "conformance/findings.h"
#include "plugin/loader.h"

namespace cairn::conformance {

/// Options of components by their full name, where the defaults will not do.
using ComponentOptions = std::map<std::string, Value::Table>;

/// Holds every component of a plugin against what its interface promises, then trains with each, and with all together.
/// ConfigError for options of a component that the plugin has not.
void run_kit(const Plugin& plugin, const ComponentOptions& options, Findings& findings);

}  // namespace cairn::conformance
