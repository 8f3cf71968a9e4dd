#pragma once

#include <exception>
#include <string>
#include <utility>

#include "cairn/error.h"
#include "cairn/export.h"

namespace cairn {

/// What an exception of any library says, without LibTorch's backtrace, and with advice where memory ran out.
CAIRN_API std::string exception_text(const std::exception& error);

/// Calls into a plugin: whatever it throws comes out as a cairn::Error. Errors of our own pass as they are, so that
/// ConfigError keeps its key; everything else becomes a PluginError with plugin, component and text.
template <class F>
decltype(auto) call_plugin(const std::string& plugin, const std::string& component, F&& call) {
  const std::string where = "plugin '" + plugin + "'" + (component.empty() ? "" : ", component '" + component + "'");
  try {
    return std::forward<F>(call)();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw PluginError(exception_text(error), where);
  } catch (...) {
    throw PluginError("threw something that is no std::exception", where);
  }
}

/// The same, for a component by its full name ("transformer.vit").
template <class F>
decltype(auto) call_plugin(const std::string& type, F&& call) {
  const std::size_t dot = type.find('.');
  return call_plugin(type.substr(0, dot), dot == std::string::npos ? std::string() : type.substr(dot + 1),
                     std::forward<F>(call));
}

/// The same, for the component of an experiment's table, which a ConfigError then names in front of its key.
template <class F>
decltype(auto) call_in_table(const std::string& type, const std::string& table, F&& call) {
  try {
    return call_plugin(type, std::forward<F>(call));
  } catch (const ConfigError& error) {
    throw ConfigError(error.key().empty() ? table : table + "." + error.key(), error.message(), error.advice());
  }
}

}  // namespace cairn
