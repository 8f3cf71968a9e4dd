#pragma once

#include <string_view>

namespace cairn {

/// What the test part of a data set may be called; the first that is there counts.
inline constexpr std::string_view kTestNames[] = {"val", "test", "valid", "validation"};

}  // namespace cairn
