#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "evaluate/golden.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

struct VerifyArguments {
  std::vector<std::string> folders;
  bool json = false;
};

std::string tolerance_text(const Tolerance& tolerance) {
  if (tolerance.snr_db > 0) return fmt::format("at least {:g} dB", tolerance.snr_db);
  std::string text = fmt::format("{:.3g} + {:.3g} |e|", tolerance.absolute, tolerance.relative);
  return tolerance.mean_abs > 0 ? text + fmt::format(", mean {:.3g}", tolerance.mean_abs) : text;
}

std::string tensor_text(const GoldenTensor& tensor) {
  const char* mark = tensor.holds ? "ok  " : "FAIL";
  if (!tensor.fault.empty()) return fmt::format("  {}  {}: {}", mark, tensor.name, tensor.fault);
  std::string errors = fmt::format("absolute {:.3g}  relative {:.3g}", tensor.absolute_error, tensor.relative_error);
  if (tensor.tolerance.mean_abs > 0) errors += fmt::format("  mean {:.3g}", tensor.mean_error);
  if (tensor.tolerance.snr_db > 0) errors = fmt::format("{:.1f} dB", tensor.snr_db);
  return fmt::format("  {}  {}: {}  (tolerance {})", mark, tensor.name, errors, tolerance_text(tensor.tolerance));
}

void print(const GoldenResult& result) {
  std::cout << (result.holds() ? "ok    " : "FAIL  ") << result.folder.string()
            << (result.subject.empty() ? "" : "  " + result.subject) << '\n';
  if (!result.fault.empty()) std::cout << "  " << result.fault << '\n';
  for (const GoldenTensor& tensor : result.tensors) std::cout << tensor_text(tensor) << '\n';
  std::cout << std::flush;
}

Json to_json(const GoldenResult& result) {
  Json out = {{"case", result.folder.string()}, {"subject", result.subject}, {"ok", result.holds()}};
  if (!result.fault.empty()) out["fault"] = result.fault;
  out["tensors"] = Json::array();
  for (const GoldenTensor& tensor : result.tensors) {
    Json item = {{"name", tensor.name}, {"ok", tensor.holds}};
    if (!tensor.fault.empty()) {
      item["fault"] = tensor.fault;
    } else {
      item["absolute_error"] = tensor.absolute_error;
      item["relative_error"] = tensor.relative_error;
      item["mean_error"] = tensor.mean_error;
      item["tolerance"] = {{"absolute", tensor.tolerance.absolute}, {"relative", tensor.tolerance.relative}};
      if (tensor.tolerance.mean_abs > 0) item["tolerance"]["mean_abs"] = tensor.tolerance.mean_abs;
      if (tensor.tolerance.snr_db > 0) {
        item["snr_db"] = tensor.snr_db;
        item["tolerance"]["snr_db"] = tensor.tolerance.snr_db;
      }
    }
    out["tensors"].push_back(std::move(item));
  }
  return out;
}

int verify(const VerifyArguments& arguments, const Session& session) {
  std::vector<std::filesystem::path> cases;
  for (const std::string& folder : arguments.folders)
    for (auto& found : find_golden_cases(folder)) cases.push_back(std::move(found));
  PluginLoader loader = session.loader();
  std::size_t held = 0;
  Json all = Json::array();
  for (const auto& folder : cases) {
    const GoldenResult result = run_golden_case(folder, loader);
    if (result.holds()) ++held;
    if (arguments.json) {
      all.push_back(to_json(result));
    } else {
      print(result);
    }
  }
  if (arguments.json) {
    std::cout << json_text(all) << '\n';
  } else {
    std::cout << held << " of " << cases.size() << (cases.size() == 1 ? " case holds\n" : " cases hold\n");
  }
  return held == cases.size() ? kDone : kFailed;
}

}  // namespace

void add_verify(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("verify", "Runs golden cases: computes what they expect and shows how far it is off");
  auto arguments = std::make_shared<VerifyArguments>();
  command->add_option("case", arguments->folders, "folders of golden cases, or of folders of them")
      ->required()
      ->type_name("CASE_DIR");
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return verify(*arguments, session); }; });
}

}  // namespace cairn::cli
