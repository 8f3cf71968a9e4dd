#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/export.h"
#include "config/experiment.h"
#include "config/report.h"
#include "plugin/loader.h"

namespace cairn {

/// Reads, merges and validates an experiment; `sets` are "key=value" overrides in order. ExperimentError with every
/// problem at once. Opens the plugins that a `type` names, and no other.
CAIRN_API Experiment load_experiment(const std::filesystem::path& file, std::span<const std::string> sets,
                                     PluginLoader& loader);

/// A TOML file other than an experiment, `extends` included, in which every value knows its place. ExperimentError
/// where it cannot be read.
CAIRN_API Setting read_settings(const std::filesystem::path& file);

/// Its values by `schema`, complete with defaults. ExperimentError with every problem at once, each with its place.
CAIRN_API Value::Table check_settings(const Setting& root, std::shared_ptr<const SchemaBase> schema);

/// The schema of a table that belongs to the core, by its name ("optim"); nullptr for others.
CAIRN_API std::shared_ptr<const SchemaBase> core_table_schema(std::string_view table);
/// Names of the core's tables, in the order they are shown.
CAIRN_API std::vector<std::string> core_table_names();

}  // namespace cairn
