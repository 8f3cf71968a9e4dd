#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// Cells of a line of CSV: what stands between commas. Quotes keep commas and blanks, "" in them is one quote; blanks
/// around them, and the line's end, do not count.
CAIRN_API std::vector<std::string> csv_cells(std::string_view line);

}  // namespace cairn
