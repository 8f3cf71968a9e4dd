#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "cairn/plugin.h"
#include "cli/commands.h"
#include "config/shipped.h"
#include "kernels/cuda_half.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

#if defined(CAIRN_HAS_TCMALLOC)
constexpr const char* kAllocator = "tcmalloc";
#else
constexpr const char* kAllocator = "system";
#endif

Json facts(const Session& session) {
  Json out = {{"cairn", CAIRN_VERSION},
              {"sdk_abi", kSdkAbi},
              {"stamp", build_stamp()},
              {"torch", built_torch_version()},
              {"compiler", "g++ " __VERSION__},
              {"cxx11_abi", _GLIBCXX_USE_CXX11_ABI},
              {"cuda_build", static_cast<bool>(CAIRN_HAS_CUDA)},
              {"cuda_loaded", kernels::has_cuda_half()},
              {"cuda_devices", at::getNumGPUs()},
              {"allocator", kAllocator},
              {"cpu_capability", at::get_cpu_capability()},
              {"threads", at::get_num_threads()},
              {"processors", std::thread::hardware_concurrency()},
              {"configs", shipped_folder().string()},
              {"plugin_path", Json::array()}};
  for (const PluginFolder& folder : session.loader().folders()) out["plugin_path"].push_back(folder.path.string());
  return out;
}

std::string text(const Json& value) {
  if (!value.is_array()) return value.is_string() ? value.get<std::string>() : value.dump();
  std::string out;
  for (const Json& item : value) out += (out.empty() ? "" : ":") + item.get<std::string>();
  return out;
}

int info(bool json, const Session& session) {
  const Json all = facts(session);
  if (json) {
    std::cout << json_text(all) << '\n';
    return kDone;
  }
  for (const auto& [key, value] : all.items())
    std::cout << key << std::string(key.size() < 16 ? 16 - key.size() : 1, ' ') << text(value) << '\n';
  return kDone;
}

}  // namespace

void add_info(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("info", "Prints versions, devices and paths, for bug reports");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "print facts as JSON");
  command->callback([json, &session] { session.action = [=, &session] { return info(*json, session); }; });
}

}  // namespace cairn::cli
