#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "cli/commands.h"
#include "cli/template_files.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// The kinds of component that there is a template for; the first is what a plugin gets that asks for none.
constexpr std::array<const char*, 5> kPluginKinds = {"modality", "encoder", "masker", "predictor", "objective"};

constexpr const char* kInstall = "cmake --install ";

struct NewPluginArguments {
  std::string name, folder;
  std::array<bool, kPluginKinds.size()> wanted{};
  bool json = false;

  std::set<std::string_view> kinds() const {
    std::set<std::string_view> kinds;
    for (std::size_t i = 0; i < kPluginKinds.size(); ++i)
      if (wanted[i]) kinds.insert(kPluginKinds[i]);
    if (kinds.empty()) kinds.insert(kPluginKinds.front());
    return kinds;
  }
};

/// One file of a new plugin, made where its kind is asked for.
struct TemplateFile {
  std::string path;
  std::string_view kind;  // empty: always
  std::string_view text;
};

std::vector<TemplateFile> template_files(const std::string& name) {
  return {{"CMakeLists.txt", "", kTemplateCMake},
          {"README.md", "", kTemplateReadme},
          {"plugin.cpp", "", kTemplatePlugin},
          {"train.toml", "", kTemplateTrain},
          {"tests/test_" + name + ".cpp", "", kTemplateTest},
          {"modality.h", "modality", kTemplateModalityHeader},
          {"modality.cpp", "modality", kTemplateModality},
          {"mae.toml", "modality", kTemplateMae},
          {"simclr.toml", "modality", kTemplateSimclr},
          {"compare.toml", "modality", kTemplateCompare},
          {"encoder.h", "encoder", kTemplateEncoderHeader},
          {"encoder.cpp", "encoder", kTemplateEncoder},
          {"masker.h", "masker", kTemplateMaskerHeader},
          {"masker.cpp", "masker", kTemplateMasker},
          {"predictor.h", "predictor", kTemplatePredictorHeader},
          {"predictor.cpp", "predictor", kTemplatePredictor},
          {"objective.h", "objective", kTemplateObjectiveHeader},
          {"objective.cpp", "objective", kTemplateObjective}};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

/// The lines of a template that apply: those between `@if KIND@` and `@end@` where the kind is asked for, those behind
/// an `@else@` where it is not.
std::string chosen_lines(std::string_view text, const std::set<std::string_view>& kinds) {
  std::string out;
  bool is_kept = true;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    if (line.starts_with("@if ")) {
      is_kept = kinds.contains(line.substr(4, line.rfind('@') - 4));
    } else if (line == "@else@\n") {
      is_kept = !is_kept;
    } else if (line == "@end@\n") {
      is_kept = true;
    } else if (is_kept) {
      out += line;
    }
  }
  return out;
}

/// "0.1" of "0.1.0": what a plugin asks find_package() for.
std::string sdk_version() {
  const std::string version = CAIRN_VERSION;
  return version.substr(0, version.rfind('.'));
}

/// The name becomes a namespace, a file name and the first half of types.
void check_name(const std::string& name, const PluginLoader& loader) {
  static const std::set<std::string> taken = {
      "alignas", "alignof",  "and",       "asm",      "assert",   "at",       "auto",     "bool",     "break",
      "case",    "catch",    "char",      "class",    "compl",    "concept",  "const",    "continue", "default",
      "delete",  "do",       "double",    "else",     "enum",     "errno",    "explicit", "export",   "extern",
      "false",   "float",    "for",       "friend",   "goto",     "if",       "inline",   "int",      "linux",
      "long",    "mutable",  "namespace", "new",      "nn",       "noexcept", "not",      "nullptr",  "operator",
      "or",      "private",  "protected", "public",   "register", "requires", "return",   "short",    "signed",
      "sizeof",  "static",   "std",       "struct",   "switch",   "template", "this",     "throw",    "true",
      "try",     "typedef",  "typeid",    "typename", "union",    "unix",     "unsigned", "using",    "virtual",
      "void",    "volatile", "while",     "xor"};
  const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  if (name.empty() || name.size() > 40 || name[0] < 'a' || name[0] > 'z' ||
      !std::all_of(name.begin(), name.end(), is_word))
    throw ConfigError("", "'" + name + "' cannot name a plugin",
                      "use up to 40 lower-case letters, digits and underscores, a letter first");
  if (taken.contains(name))
    throw ConfigError("", "'" + name + "' means something in C++ or in Cairn", "choose another name");
  for (const PluginFile& file : loader.scan())
    if (file.name == name)
      throw ConfigError("", "there is a plugin '" + name + "' already: " + file.path.string(), "choose another name");
}

/// Where this program lies: a folder that Cairn was installed to, or built in.
fs::path home(const PluginLoader& loader) {
  const fs::path beside_core = loader.folders().back().path;  // HOME/lib/cairn/plugins
  return beside_core.parent_path().parent_path().parent_path();
}

/// The commands that build, test and train the new plugin.
std::vector<std::string> next_steps(const std::string& folder, const fs::path& home,
                                    const std::set<std::string_view>& kinds) {
  std::vector<std::string> steps;
  const bool is_installed = fs::exists(home / "lib/cmake/Cairn/CairnConfig.cmake");
  const std::string prefix = is_installed ? home.string() : "PREFIX";
  if (!is_installed) steps.push_back(kInstall + home.string() + " --prefix " + prefix);
  steps.push_back("cmake -S " + folder + " -B " + folder + "/build -DCMAKE_PREFIX_PATH=" + prefix);
  steps.push_back("cmake --build " + folder + "/build");
  steps.push_back("ctest --test-dir " + folder + "/build --output-on-failure");
  steps.push_back("cairn train " + folder + "/train.toml");
  if (kinds.contains("modality")) steps.push_back("cairn compare " + folder + "/compare.toml");
  return steps;
}

void print(const std::string& folder, const std::vector<std::string>& files, const std::vector<std::string>& steps) {
  std::cout << "made " << folder << ":\n";
  for (const std::string& file : files) std::cout << "  " << file << '\n';
  std::cout << "\nthen:\n";
  for (const std::string& step : steps)
    std::cout << "  " << step << (step.starts_with(kInstall) ? "      # Cairn itself, once" : "") << '\n';
}

int new_plugin(const NewPluginArguments& arguments, const Session& session) {
  const PluginLoader loader = session.loader();
  check_name(arguments.name, loader);
  fs::path target = arguments.folder.empty() ? arguments.name : arguments.folder;
  if (!target.has_filename()) target = target.parent_path();
  if (fs::exists(target) && !(fs::is_directory(target) && fs::is_empty(target)))
    throw ConfigError("", target.string() + " exists and is not an empty folder", "choose another with --folder");
  const std::set<std::string_view> kinds = arguments.kinds();
  AtomicFolder folder(target);
  fs::create_directory(folder.file("tests"));
  std::vector<std::string> files;
  for (const TemplateFile& file : template_files(arguments.name)) {
    if (!file.kind.empty() && !kinds.contains(file.kind)) continue;
    const std::string text = replaced(chosen_lines(file.text, kinds), "@NAME@", arguments.name);
    folder.write_file(file.path, replaced(text, "@SDK@", sdk_version()));
    files.push_back(file.path);
  }
  folder.commit();
  const std::vector<std::string> steps = next_steps(target.string(), home(loader), kinds);
  if (arguments.json) {
    std::cout << json_text(Json{{"folder", target.string()}, {"files", files}, {"next_steps", steps}}) << '\n';
  } else {
    print(target.string(), files, steps);
  }
  return kDone;
}

}  // namespace

void add_new_plugin(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("new-plugin", "Makes a plugin that builds, trains and passes cairn conform");
  auto arguments = std::make_shared<NewPluginArguments>();
  command->add_option("name", arguments->name, "what the plugin is called: radar")->required()->type_name("NAME");
  for (std::size_t i = 0; i < kPluginKinds.size(); ++i)
    command->add_flag(std::string("--") + kPluginKinds[i], arguments->wanted[i],
                      std::string("with ") + (kPluginKinds[i][0] == 'e' || kPluginKinds[i][0] == 'o' ? "an " : "a ") +
                          kPluginKinds[i]);
  command->add_option("--folder", arguments->folder, "where to make it; default: a folder of that name here")
      ->type_name("FOLDER");
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->footer("Without a kind the plugin gets a modality.");
  command->callback(
      [arguments, &session] { session.action = [=, &session] { return new_plugin(*arguments, session); }; });
}

}  // namespace cairn::cli
