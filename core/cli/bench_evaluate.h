#pragma once

#include "cli/commands.h"

namespace cairn::cli {

/// `cairn bench evaluate`.
void add_bench_evaluate(CLI::App& bench, Session& session);

}  // namespace cairn::cli
