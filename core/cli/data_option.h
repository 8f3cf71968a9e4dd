#pragma once

#include <string>

#include "cairn/error.h"

namespace cairn::cli {

/// What `open` gives. Where --data was given, which becomes modality.path, its ConfigError about that names --data.
template <class F>
auto told_as_data(const std::string& data, F&& open) {
  try {
    return open();
  } catch (const ConfigError& error) {
    if (data.empty() || error.key() != "modality.path") throw;
    throw ConfigError("--data", error.message(), error.advice());
  }
}

}  // namespace cairn::cli
