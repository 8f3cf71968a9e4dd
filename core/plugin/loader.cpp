#include "plugin/loader.h"

#define BOOST_DLL_USE_STD_FS
#include <algorithm>
#include <boost/dll/runtime_symbol_info.hpp>
#include <boost/dll/shared_library.hpp>
#include <cstddef>
#include <cstdlib>
#include <set>

#include "cairn/error.h"
#include "cairn/plugin.h"
#include "cairn/registry.h"
#include "interface/suggest.h"
#include "plugin/guard.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

static_assert(CAIRN_SDK_ABI == kSdkAbi, "CAIRN_SDK_ABI of CairnPlugin.cmake and kSdkAbi of cairn/plugin.h differ");

std::string file_name(const std::string& plugin) { return "cairn-" + plugin + ".so"; }

/// The plugin a file name stands for; empty for other files.
std::string plugin_name(const fs::path& file) {
  const std::string name = file.filename().string();
  constexpr std::string_view kHead = "cairn-", kTail = ".so";
  if (!name.starts_with(kHead) || !name.ends_with(kTail) || name.size() <= kHead.size() + kTail.size()) return {};
  return name.substr(kHead.size(), name.size() - kHead.size() - kTail.size());
}

/// Names become file names, so a path cannot hide in one.
bool is_plugin_name(std::string_view name) {
  const auto is_word = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_word);
}

/// Why no plugin can be found in a folder; empty where it can be read.
std::string folder_fault(const fs::path& folder) {
  std::error_code error;
  const fs::directory_iterator entries(folder, error);
  return error ? error.message() : "";
}

std::string looked_in(const std::vector<PluginFolder>& folders) {
  std::string out = "looked in:";
  for (std::size_t i = 0; i < folders.size(); ++i) {
    const std::string fault = folder_fault(folders[i].path);
    out += " " + std::to_string(i + 1) + ". " + folders[i].path.string() + " (" + folders[i].named_by +
           (fault.empty() ? "" : "; " + fault) + ")";
  }
  return out;
}

boost::dll::shared_library open_library(const fs::path& file, const std::string& label) {
  namespace dll = boost::dll;
  // Never closed: autograd graphs, deleters and exceptions of a plugin outlive whoever opened it.
  static auto& libraries = *new std::vector<dll::shared_library>;
  try {
    libraries.emplace_back(file, dll::load_mode::rtld_now | dll::load_mode::rtld_local);
  } catch (const std::exception& error) {
    throw PluginError("cannot be opened: " + std::string(error.what()), label,
                      "check what it needs with: ldd " + file.string());
  }
  return libraries.back();
}

const PluginInfo& descriptor(const boost::dll::shared_library& library, const std::string& label) {
  if (!library.has("cairn_plugin_info"))
    throw PluginError("has no descriptor", label, "declare it with CAIRN_PLUGIN in one of its sources");
  return library.get<const PluginInfo>("cairn_plugin_info");
}

void check_descriptor(const PluginInfo& info, const std::string& name, const std::string& label) {
  const std::string rebuild = "rebuild the plugin against this cairn's SDK";
  if (info.struct_size < sizeof(PluginInfo)) throw PluginError("its descriptor is too short", label, rebuild);
  if (info.sdk_abi != kSdkAbi)
    throw PluginError(
        "was built for SDK ABI " + std::to_string(info.sdk_abi) + "; this cairn has SDK ABI " + std::to_string(kSdkAbi),
        label, rebuild);
  for (const char* text : {info.name, info.version, info.summary, info.license, info.torch_version, info.compiler})
    if (text == nullptr) throw PluginError("its descriptor lacks a text", label, "fill every field of CAIRN_PLUGIN");
  if (info.torch_version != built_torch_version())
    throw PluginError("was built with LibTorch " + std::string(info.torch_version) + "; this cairn runs LibTorch " +
                          std::string(built_torch_version()),
                      label, "rebuild the plugin with LibTorch " + std::string(built_torch_version()));
  if (info.name != name)
    throw PluginError("calls itself '" + std::string(info.name) + "'", label,
                      "name the file " + file_name(info.name) + ", or the plugin '" + name + "'");
  if (info.enroll == nullptr) throw PluginError("has no enroll function", label, "pass one to CAIRN_PLUGIN");
}

std::vector<fs::path> environment_folders() {
  const char* text = std::getenv("CAIRN_PLUGIN_PATH");
  std::vector<fs::path> folders;
  std::string_view rest = text != nullptr ? text : "";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    if (colon != 0) folders.emplace_back(rest.substr(0, colon));
    rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
  }
  return folders;
}

std::vector<std::string> names_of(const Registry& registry, ComponentKind kind) {
  std::vector<std::string> names;
  for (const Component& component : registry.components())
    if (component.kind == kind) names.push_back(component.full_name());
  return names;
}

[[noreturn]] void throw_no_component(const Registry& registry, ComponentKind kind, const std::string& full_name) {
  const std::string wanted = kind_name(kind);
  for (const Component& other : registry.components())
    if (other.full_name() == full_name)
      throw UnknownNameError("'" + full_name + "' is of kind " + kind_name(other.kind) + ", not " + wanted);
  const auto names = names_of(registry, kind);
  std::string advice = did_you_mean(full_name, names);
  if (advice.empty()) {
    for (const std::string& name : names) advice += (advice.empty() ? "it has: " : ", ") + name;
    if (names.empty()) advice = "it has no component of that kind";
  }
  throw UnknownNameError("plugin '" + registry.plugin() + "' has no " + wanted + " '" + full_name + "'", "", advice);
}

}  // namespace

fs::path core_library_folder() {
  return fs::absolute(boost::dll::this_line_location()).lexically_normal().parent_path();
}

UnknownNameError::~UnknownNameError() = default;

PluginLoader::PluginLoader(std::vector<fs::path> folders) : first_folders_(std::move(folders)) {}

void PluginLoader::set_experiment_folders(std::vector<fs::path> folders) { experiment_folders_ = std::move(folders); }

std::vector<PluginFolder> PluginLoader::folders() const {
  std::vector<PluginFolder> all;
  for (const auto& path : first_folders_) all.push_back({path, "--plugin-path"});
  for (const auto& path : experiment_folders_) all.push_back({path, "[plugins] path"});
  for (const auto& path : environment_folders()) all.push_back({path, "CAIRN_PLUGIN_PATH"});
  all.push_back({core_library_folder() / "cairn" / "plugins", "beside the core library"});
  return all;
}

std::vector<PluginFile> PluginLoader::scan() const {
  std::vector<PluginFile> files;
  std::set<std::string> seen;
  for (const PluginFolder& folder : folders()) {
    const std::size_t begin = files.size();
    std::error_code error;
    for (fs::directory_iterator it(folder.path, error), end; !error && it != end; it.increment(error))
      if (const std::string name = plugin_name(it->path()); !name.empty())
        files.push_back({name, it->path(), stamp_fault(it->path()), seen.contains(name)});
    for (std::size_t i = begin; i < files.size(); ++i) seen.insert(files[i].name);
  }
  std::stable_sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

fs::path PluginLoader::locate(const std::string& name) const {
  const auto path = folders();
  if (is_plugin_name(name)) {
    for (const PluginFolder& folder : path) {
      const fs::path file = folder.path / file_name(name);
      std::error_code error;
      const auto status = fs::symlink_status(file, error);
      if (!error && fs::exists(status)) return fs::absolute(file, error);
    }
  }
  std::vector<std::string> names;
  for (const PluginFile& file : scan()) names.push_back(file.name);
  const std::string near = did_you_mean(name, names);
  throw UnknownNameError("plugin '" + name + "' not found", "", (near.empty() ? "" : near + " ") + looked_in(path));
}

const Plugin& PluginLoader::load(std::string_view name) {
  if (const auto found = plugins_.find(name); found != plugins_.end()) return found->second;
  const std::string wanted(name);
  const fs::path file = locate(wanted);
  const std::string label = "plugin '" + wanted + "' (" + file.string() + ")";
  if (const std::string fault = stamp_fault(file); !fault.empty()) throw PluginError(label + " " + fault);
  const PluginInfo& info = descriptor(open_library(file, label), label);
  check_descriptor(info, wanted, label);

  auto registry = std::make_shared<Registry>(wanted);
  call_plugin(wanted, "", [&] { info.enroll(*registry); });
  Plugin plugin{info.name, info.version, info.summary, info.license, info.torch_version, info.compiler, file, registry};
  return plugins_.emplace(wanted, std::move(plugin)).first->second;
}

std::vector<Plugin> PluginLoader::loaded() const {
  std::vector<Plugin> all;
  for (const auto& [name, plugin] : plugins_) all.push_back(plugin);
  return all;
}

const Component& PluginLoader::component(ComponentKind kind, std::string_view full_name) {
  const std::size_t dot = full_name.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == full_name.size())
    throw UnknownNameError("a type is written plugin.component, got '" + std::string(full_name) + "'", "",
                           "all types: cairn inspect " + std::string(kind_name(kind)));
  const Registry& registry = *load(full_name.substr(0, dot)).registry;
  const Component* found = registry.find(kind, full_name.substr(dot + 1));
  if (found == nullptr) throw_no_component(registry, kind, std::string(full_name));
  return *found;
}

std::shared_ptr<const SchemaBase> PluginLoader::schema(ComponentKind kind, std::string_view full_name) {
  return component(kind, full_name).schema;
}

}  // namespace cairn
