#pragma once

#include <c10/util/Exception.h>

#include <string>
#include <utility>

#include "cairn/error.h"

namespace cairn {

/// What an exception says, without LibTorch's backtrace.
inline std::string text_of(const std::exception& error) {
  const auto* of_libtorch = dynamic_cast<const c10::Error*>(&error);
  return of_libtorch ? of_libtorch->what_without_backtrace() : error.what();
}

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
    throw PluginError(text_of(error), where);
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
