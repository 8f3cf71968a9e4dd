#pragma once

#include <c10/util/Exception.h>

#include <string>
#include <utility>

#include "cairn/error.h"

namespace cairn {

/// Calls into a plugin: whatever it throws comes out as a cairn::Error. Errors of our own pass as they are, so that
/// ConfigError keeps its key; everything else becomes a PluginError with plugin, component and text.
template <class F>
decltype(auto) call_plugin(const std::string& plugin, const std::string& component, F&& call) {
  const std::string where = "plugin '" + plugin + "'" + (component.empty() ? "" : ", component '" + component + "'");
  try {
    return std::forward<F>(call)();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    throw PluginError(error.what_without_backtrace(), where);
  } catch (const std::exception& error) {
    throw PluginError(error.what(), where);
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

}  // namespace cairn
