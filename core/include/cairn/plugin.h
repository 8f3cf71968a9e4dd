#pragma once

#include <vector>  // Boost.DLL 1.74 needs it before its own headers

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/alias.hpp>
#include <cstdint>

#include "cairn/registry.h"

namespace cairn {

/// Version of the binary contract. Raised with every change of layout or virtual functions in these headers.
inline constexpr std::uint32_t kSdkAbi = 1;

/// What a plugin says of itself. Begins with its size; only grows at the end.
struct PluginInfo {
  std::uint32_t struct_size;
  std::uint32_t sdk_abi;
  const char* name;
  const char* version;
  const char* summary;
  const char* license;
  const char* torch_version;
  const char* compiler;
  std::uint32_t cxx11_abi;
  std::uint32_t cplusplus;
  void (*enroll)(Registry&);
};

}  // namespace cairn

/// Declares the plugin of this library. CAIRN_STAMP, CAIRN_STAMP_TORCH come from cairn_add_plugin(): the stamp is the
/// name of a symbol in a section of its own, so that it can be read before the library is opened.
#define CAIRN_PLUGIN(plugin_name, plugin_version, plugin_summary, plugin_enroll)                               \
  extern "C" CAIRN_API const ::cairn::PluginInfo cairn_plugin_info = {sizeof(::cairn::PluginInfo),             \
                                                                      ::cairn::kSdkAbi,                        \
                                                                      #plugin_name,                            \
                                                                      plugin_version,                          \
                                                                      plugin_summary,                          \
                                                                      "Apache-2.0",                            \
                                                                      CAIRN_STAMP_TORCH,                       \
                                                                      __VERSION__,                             \
                                                                      _GLIBCXX_USE_CXX11_ABI,                  \
                                                                      static_cast<std::uint32_t>(__cplusplus), \
                                                                      plugin_enroll};                          \
  BOOST_DLL_ALIAS_SECTIONED(cairn_plugin_info, CAIRN_STAMP, cairnabi)
