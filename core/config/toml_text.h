#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cairn/export.h"
#include "config/report.h"
#include "config/setting.h"

namespace cairn {

/// Parses TOML into a tree with provenance; nothing, and a problem in the report, where it is not TOML.
std::optional<Setting> parse_toml(const std::string& text, const std::shared_ptr<const SettingSource>& source,
                                  ProblemReport& report);

/// Parses `key=value` as the `number`-th --set takes it: a value that is not TOML is taken as a string. The key may be
/// dotted and becomes Setting::key as it stands.
std::optional<Setting> parse_override(const std::string& text, std::size_t number, ProblemReport& report);

/// The values of `key=value` texts by key, without an experiment behind them; the later one of a key counts.
/// ExperimentError with every one that cannot be read.
CAIRN_API Value::Table parse_overrides(std::span<const std::string> sets);

/// Cuts a text into lines, without their ends.
std::vector<std::string> lines_of(const std::string& text);

}  // namespace cairn
