#include "evaluate/golden.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "cairn/error.h"
#include "config/report.h"
#include "config/setting.h"
#include "config/toml_text.h"
#include "evaluate/golden_parts.h"
#include "model/named_state.h"
#include "plugin/guard.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTensors = "case.safetensors";
constexpr const char* kText = "case.toml";

// Of float32 networks of some blocks: relative to each value, and to the largest one of its tensor.
constexpr double kNetworkTolerance = 1e-5;

struct ComponentTable {
  std::string kind, name;
  static Schema<ComponentTable> schema() {
    Schema<ComponentTable> s("The component that a golden case tests");
    s.option("kind", &ComponentTable::kind, "what it is").required().choices({"objective", "modality"});
    s.option("name", &ComponentTable::name, "its name, with or without its plugin's").required();
    return s;
  }
};

struct InputTable {
  std::string file;
  static Schema<InputTable> schema() {
    Schema<InputTable> s("The input of a golden case that is no tensor");
    s.option("file", &InputTable::file, "a file of the case's folder").required();
    return s;
  }
};

/// What a case.toml says.
struct Description {
  GoldenComponent component;
  Tolerance tolerance;
};

Value::Table* table_of(Value::Table& document, const std::string& key) {
  for (auto& [name, value] : document)
    if (name == key) {
      if (auto* table = std::get_if<Value::Table>(&value.data)) return table;
      throw Error(fmt::format("'{}' of {} is no table", key, kText));
    }
  return nullptr;
}

Value::Table take_table(Value::Table& document, const std::string& key) {
  const Value::Table* found = table_of(document, key);
  Value::Table table = found ? *found : Value::Table{};
  std::erase_if(document, [&](const auto& entry) { return entry.first == key; });
  return table;
}

Value::Table read_toml(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw DataError("the case cannot be read", path.string(), "check the path");
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  auto source = std::make_shared<SettingSource>();
  source->name = path.string();
  source->lines = lines_of(text);
  ProblemReport report;
  const auto tree = parse_toml(text, source, report);
  report.raise();
  return std::get<Value::Table>(tree->value().data);
}

Description read_description(const fs::path& folder) {
  Value::Table document = read_toml(folder / kText);
  Value::Table component = take_table(document, "component"), tolerance = take_table(document, "tolerance");
  const Value::Table expect = take_table(document, "expect"), input = take_table(document, "input");
  Description description;
  description.component.options = take_table(component, "options");
  const ComponentTable named = ComponentTable::schema().parse(component);
  description.component.kind = named.kind;
  description.component.name = named.name;
  description.component.file = folder / (input.empty() ? kTensors : InputTable::schema().parse(input).file);
  tolerance.insert(tolerance.end(), expect.begin(), expect.end());
  description.tolerance = Tolerance::schema().parse(tolerance);
  for (const auto& [key, value] : document)
    if (key != "source") throw Error(fmt::format("'{}' has no place in {}", key, kText), (folder / kText).string());
  return description;
}

double decibels(const at::Tensor& expected, const at::Tensor& error) {
  return 10.0 * std::log10(expected.square().sum().item<double>() / error.square().sum().item<double>());
}

GoldenTensor compare(const std::string& name, const at::Tensor& expected, const at::Tensor& actual,
                     Tolerance tolerance) {
  GoldenTensor result{name, tolerance};
  if (expected.numel() == 0) {
    result.fault = "is empty, so that it proves nothing";
    return result;
  }
  if (actual.sizes() != expected.sizes()) {
    result.fault = fmt::format("has the shape [{}], expected [{}]", fmt::join(actual.sizes(), ", "),
                               fmt::join(expected.sizes(), ", "));
    return result;
  }
  const at::Tensor wanted = expected.to(at::kDouble);
  const at::Tensor error = (actual.detach().cpu().to(at::kDouble) - wanted).abs(), size = wanted.abs();
  result.absolute_error = error.max().item<double>();
  result.mean_error = error.mean().item<double>();
  const at::Tensor relative = (error / size).masked_select(size > tolerance.absolute);
  if (relative.numel() > 0) result.relative_error = relative.max().item<double>();
  if (tolerance.snr_db > 0.0) {
    result.snr_db = decibels(wanted, error);
    result.holds = result.snr_db >= tolerance.snr_db;
  } else {
    result.holds = (error <= tolerance.absolute + tolerance.relative * size).all().item<bool>();
  }
  if (tolerance.mean_abs > 0.0) result.holds = result.holds && result.mean_error <= tolerance.mean_abs;
  return result;
}

/// Compares every expected tensor; without a tolerance of the case's own, that of float32 networks.
void compare_all(const TensorMap& expected, const TensorMap& computed, const std::optional<Tolerance>& tolerance,
                 GoldenResult& result) {
  for (const auto& [name, wanted] : expected) {
    const auto found = computed.find(name);
    if (found == computed.end()) {
      result.tensors.push_back({name});
      result.tensors.back().fault = "is expected, and nothing computes it";
      continue;
    }
    Tolerance own = tolerance.value_or(Tolerance{0.0, kNetworkTolerance});
    if (!tolerance && wanted.numel() > 0) own.absolute = kNetworkTolerance * wanted.abs().max().item<double>();
    result.tensors.push_back(compare(name, wanted, found->second, own));
  }
}

void run(const fs::path& folder, PluginLoader& loader, GoldenResult& result) {
  std::optional<Description> description;
  if (fs::exists(folder / kText)) description = read_description(folder);
  const TensorMap all = read_safetensors(folder / kTensors).tensors;
  const TensorMap expected = below(all, "expect.");
  if (expected.empty()) throw Error("the case expects nothing", (folder / kTensors).string(), "add expect.* tensors");
  const GoldenInputs inputs{below(all, "input."), below(all, "state.")};

  GoldenOutputs outputs;
  if (!description) {
    outputs = run_golden_checkpoint(folder, inputs, loader);
  } else if (description->component.kind == "objective") {
    outputs = run_golden_objective(description->component, inputs, loader);
  } else {
    outputs = run_golden_modality(description->component, inputs, loader);
    // A modality makes one view, whatever the case calls it; a single channel may be left out.
    const auto& [name, wanted] = *expected.begin();
    const at::Tensor view = outputs.tensors.at("view");
    outputs.tensors = {{name, view.dim() == wanted.dim() + 1 && view.size(0) == 1 ? view[0] : view}};
  }
  result.subject = outputs.subject;
  compare_all(expected, outputs.tensors, description ? std::optional(description->tolerance) : std::nullopt, result);
}

bool is_case(const fs::path& folder) { return fs::exists(folder / kText) || fs::exists(folder / kTensors); }

}  // namespace

Schema<Tolerance> Tolerance::schema() {
  Schema<Tolerance> s("How close to the expected values a golden case must come");
  s.option("absolute", &Tolerance::absolute, "largest |a - e|, before the relative part is added").at_least(0);
  s.option("relative", &Tolerance::relative, "what is added to it for each unit of |e|").at_least(0);
  s.option("snr_db", &Tolerance::snr_db, "least signal-to-noise ratio in decibels, in place of both").at_least(0);
  s.option("mean_abs", &Tolerance::mean_abs, "largest mean of |a - e|; 0: any").at_least(0);
  return s;
}

bool GoldenResult::holds() const {
  return fault.empty() && !tensors.empty() &&
         std::all_of(tensors.begin(), tensors.end(), [](const GoldenTensor& tensor) { return tensor.holds; });
}

const at::Tensor& GoldenInputs::input(const std::string& name) const {
  const auto found = inputs.find(name);
  if (found == inputs.end()) throw Error("the case has no tensor 'input." + name + "'");
  return found->second;
}

std::vector<fs::path> find_golden_cases(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw ConfigError("", "'" + folder.string() + "' is no folder", "give the folder of a golden case, or of several");
  if (is_case(folder)) return {folder};
  std::vector<fs::path> cases;
  for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied))
    if (entry.is_directory() && is_case(entry.path())) cases.push_back(entry.path());
  if (cases.empty())
    throw ConfigError("", "'" + folder.string() + "' holds no golden case",
                      "a case is a folder with case.safetensors, beside a checkpoint or a case.toml");
  std::sort(cases.begin(), cases.end());
  return cases;
}

GoldenResult run_golden_case(const fs::path& folder, PluginLoader& loader) {
  GoldenResult result;
  result.folder = folder;
  try {
    run(folder, loader, result);
  } catch (const std::exception& error) {
    result.fault = exception_text(error);
  }
  return result;
}

}  // namespace cairn
