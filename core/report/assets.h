#pragma once

#include <string_view>

namespace cairn {

// Files that the build puts into the library: the page of the report, its style and script, and Chart.js.
extern const std::string_view kReportPage, kReportStyle, kReportScript, kChartLibrary;

}  // namespace cairn
