#include <iostream>
#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "cairn/registry.h"
#include "cli/commands.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

/// One plugin file and, where it may be opened, what it says of itself.
struct Listing {
  PluginFile file;
  const Plugin* plugin = nullptr;
  std::string fault;
};

std::vector<Listing> list(PluginLoader& loader) {
  std::vector<Listing> out;
  for (const PluginFile& file : loader.scan()) {
    Listing listing{file, nullptr, file.fault};
    if (file.is_shadowed) {
      listing.fault = "hidden by a plugin of the same name earlier on the path";
    } else if (file.fault.empty()) {
      try {
        listing.plugin = &loader.load(file.name);
      } catch (const PluginError& error) {
        listing.fault = error.what();
      }
    }
    out.push_back(std::move(listing));
  }
  return out;
}

nlohmann::ordered_json to_json(const Listing& listing) {
  nlohmann::ordered_json out = {{"name", listing.file.name}, {"file", listing.file.path.string()}};
  if (!listing.fault.empty()) out["fault"] = listing.fault;
  if (listing.plugin == nullptr) return out;
  const Plugin& plugin = *listing.plugin;
  out.update({{"version", plugin.version},
              {"summary", plugin.summary},
              {"license", plugin.license},
              {"torch", plugin.torch_version},
              {"compiler", plugin.compiler}});
  for (const Component& component : plugin.registry->components())
    out["components"].push_back({{"kind", kind_name(component.kind)}, {"type", component.full_name()}});
  return out;
}

void print_json(const PluginLoader& loader, const std::vector<Listing>& listings) {
  nlohmann::ordered_json out = {{"path", nlohmann::json::array()}, {"plugins", nlohmann::json::array()}};
  for (const PluginFolder& folder : loader.folders())
    out["path"].push_back({{"folder", folder.path.string()}, {"named_by", folder.named_by}});
  for (const Listing& listing : listings) out["plugins"].push_back(to_json(listing));
  std::cout << json_text(out) << '\n';
}

void print(const PluginLoader& loader, const std::vector<Listing>& listings) {
  std::cout << "search path, first hit wins:\n";
  int number = 0;
  for (const PluginFolder& folder : loader.folders())
    std::cout << "  " << ++number << ". " << folder.path.string() << "  (" << folder.named_by << ")\n";
  for (const Listing& listing : listings) {
    std::cout << '\n' << listing.file.name;
    if (listing.plugin != nullptr) std::cout << ' ' << listing.plugin->version << ": " << listing.plugin->summary;
    std::cout << "\n  " << listing.file.path.string() << '\n';
    if (!listing.fault.empty()) std::cout << "  NOT USABLE: " << listing.fault << '\n';
    if (listing.plugin == nullptr) continue;
    for (const Component& component : listing.plugin->registry->components())
      std::cout << "  " << kind_name(component.kind) << ' ' << component.full_name() << '\n';
  }
  if (listings.empty()) std::cout << "\nno plugin found\n";
}

int plugins(bool json, const Session& session) {
  PluginLoader loader = session.loader();
  const auto listings = list(loader);
  if (json) {
    print_json(loader, listings);
  } else {
    print(loader, listings);
  }
  return kDone;
}

}  // namespace

void add_plugins(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("plugins", "Lists the plugins on the search path and what they offer");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "print facts as JSON");
  command->callback([json, &session] { session.action = [=, &session] { return plugins(*json, session); }; });
}

}  // namespace cairn::cli
