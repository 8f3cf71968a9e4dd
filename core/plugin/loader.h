#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/component_kind.h"
#include "cairn/error.h"
#include "cairn/export.h"
#include "cairn/options.h"

namespace cairn {

struct Component;
class Registry;

/// A plugin or component that was asked for by a name that none has.
class CAIRN_API UnknownNameError : public PluginError {
 public:
  using PluginError::PluginError;
  UnknownNameError(const UnknownNameError&) = default;
  ~UnknownNameError() override;
};

/// One folder of the search path, and who named it: "--plugin-path", "CAIRN_PLUGIN_PATH", ….
struct PluginFolder {
  std::filesystem::path path;
  std::string named_by;
};

/// A plugin file as found, not opened. `fault` says why it would be refused; empty where nothing speaks against it.
struct PluginFile {
  std::string name;
  std::filesystem::path path;
  std::string fault;
  bool is_shadowed = false;  // a folder earlier on the path has a plugin of this name
};

/// A plugin that passed every check and enrolled its components.
struct CAIRN_API Plugin {
  std::string name, version, summary, license, torch_version, compiler;
  std::filesystem::path path;
  std::shared_ptr<const Registry> registry;
};

/// Finds, checks and opens plugins, each at most once and never to be closed again. Not for several threads at once.
class CAIRN_API PluginLoader {
 public:
  /// `folders` come first on the search path, as --plugin-path names them.
  explicit PluginLoader(std::vector<std::filesystem::path> folders = {});

  /// What an experiment's [plugins] path names, absolute; replaces what an earlier experiment named.
  void set_experiment_folders(std::vector<std::filesystem::path> folders);
  /// The search path, first hit wins.
  std::vector<PluginFolder> folders() const;
  /// Every plugin file on the path, by name, without running any of its code.
  std::vector<PluginFile> scan() const;

  /// The plugin of this name, opened now if need be. UnknownNameError if there is none, PluginError if it cannot run;
  /// both say what to do.
  const Plugin& load(std::string_view name);
  /// What load() has opened so far, by name.
  std::vector<Plugin> loaded() const;
  /// The component of a full name such as "image.folder", its plugin opened if need be; errors as load() gives them.
  const Component& component(ComponentKind kind, std::string_view full_name);
  /// The options of that component.
  std::shared_ptr<const SchemaBase> schema(ComponentKind kind, std::string_view full_name);

 private:
  std::filesystem::path locate(const std::string& name) const;

  std::vector<std::filesystem::path> first_folders_, experiment_folders_;
  std::map<std::string, Plugin, std::less<>> plugins_;
};

/// Where the core library lies: PREFIX/lib.
CAIRN_API std::filesystem::path core_library_folder();

/// The stamp every plugin must carry to run here: "cairn_abi_1__torch_2_11_0_cu130__cxx11_1__cpp20".
CAIRN_API std::string_view build_stamp();
/// The LibTorch this core was built for: "2.11.0+cu130".
CAIRN_API std::string_view built_torch_version();
/// Why the plugin file may not run here, read without running it; empty where nothing speaks against it.
CAIRN_API std::string stamp_fault(const std::filesystem::path& file);

}  // namespace cairn
