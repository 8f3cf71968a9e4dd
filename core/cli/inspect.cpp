#include <iostream>
#include <nlohmann/json.hpp>

#include "cairn/error.h"
#include "cairn/registry.h"
#include "checkpoint/json_value.h"
#include "cli/commands.h"
#include "interface/suggest.h"
#include "report/json_text.h"

namespace cairn::cli {
namespace {

constexpr ComponentKind kKinds[] = {ComponentKind::modality, ComponentKind::encoder,   ComponentKind::projector,
                                    ComponentKind::masker,   ComponentKind::predictor, ComponentKind::objective};

struct InspectArguments {
  std::string kind, name;
  bool json = false;
  bool markdown = false;
};

using Json = nlohmann::ordered_json;

/// What `cairn inspect` shows of one schema: a component, or a table of the core.
struct Subject {
  std::string kind, name;
  std::shared_ptr<const SchemaBase> schema;
};

std::optional<ComponentKind> kind_of(const std::string& name) {
  for (const ComponentKind kind : kKinds)
    if (name == kind_name(kind)) return kind;
  return std::nullopt;
}

/// Every component of every usable plugin on the path; a plugin that is refused is named on stderr.
std::vector<Subject> all_components(PluginLoader& loader) {
  std::vector<Subject> out;
  for (const PluginFile& file : loader.scan()) {
    if (file.is_shadowed) continue;
    try {
      for (const Component& component : loader.load(file.name).registry->components())
        out.push_back({kind_name(component.kind), component.full_name(), component.schema});
    } catch (const PluginError& error) {
      std::cerr << "warning: " << error.what() << '\n';
    }
  }
  return out;
}

std::vector<Subject> core_tables() {
  std::vector<Subject> out;
  for (const std::string& name : core_table_names()) out.push_back({"table", name, core_table_schema(name)});
  return out;
}

[[noreturn]] void throw_unknown_kind(const std::string& kind) {
  std::vector<std::string> names = core_table_names();
  for (const ComponentKind each : kKinds) names.emplace_back(kind_name(each));
  std::string known;
  for (const std::string& name : names) known += (known.empty() ? "" : ", ") + name;
  const std::string near = did_you_mean(kind, names);
  throw ConfigError("", "'" + kind + "' is no kind of component and no table",
                    near.empty() ? "there are: " + known : near);
}

std::vector<Subject> select(const InspectArguments& arguments, PluginLoader& loader) {
  if (arguments.kind.empty()) {
    std::vector<Subject> all = all_components(loader);
    for (Subject& table : core_tables()) all.push_back(std::move(table));
    return all;
  }
  if (auto schema = core_table_schema(arguments.kind)) return {{"table", arguments.kind, std::move(schema)}};
  const auto kind = kind_of(arguments.kind);
  if (!kind) throw_unknown_kind(arguments.kind);
  if (!arguments.name.empty()) return {{arguments.kind, arguments.name, loader.schema(*kind, arguments.name)}};
  std::vector<Subject> all = all_components(loader);
  std::erase_if(all, [&](const Subject& subject) { return subject.kind != arguments.kind; });
  return all;
}

Json to_json(const SchemaBase& schema) {
  Json out = {{"summary", schema.summary()}, {"options", Json::array()}};
  for (const OptionSpec& spec : schema.options()) {
    Json option = {{"name", spec.name}, {"type", spec.type_text()}, {"required", spec.is_required}};
    if (!spec.is_required) option["default"] = cairn::to_json(spec.fallback);
    if (spec.low) option["low"] = *spec.low;
    if (spec.high) option["high"] = *spec.high;
    if (spec.multiple) option["multiple_of"] = *spec.multiple;
    if (!spec.choice_names.empty()) option["choices"] = spec.choice_names;
    option["doc"] = spec.doc;
    if (spec.table) option["table"] = to_json(*spec.table);
    out["options"].push_back(std::move(option));
  }
  return out;
}

void print_options(const SchemaBase& schema, const std::string& indent) {
  for (const OptionSpec& spec : schema.options()) {
    const std::string limits = spec.limits_text();
    std::cout << indent << spec.name << "  " << spec.type_text() << (limits.empty() ? "" : ", " + limits) << ", "
              << (spec.is_required ? "required" : "default " + spec.fallback.text()) << '\n'
              << indent << "    " << spec.doc << '\n';
    if (spec.table) print_options(*spec.table, indent + "    ");
  }
}

void print_list(const std::vector<Subject>& subjects) {
  for (const Subject& subject : subjects)
    std::cout << subject.kind << ' ' << subject.name << "\n    " << subject.schema->summary() << '\n';
  if (subjects.empty()) std::cout << "nothing of that kind on the plugin path; see cairn plugins\n";
}

void print_one(const Subject& subject) {
  std::cout << subject.kind << ' ' << subject.name << ": " << subject.schema->summary() << "\n\n";
  print_options(*subject.schema, "  ");
}

/// Text as a cell of a Markdown table.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

void print_markdown_rows(const SchemaBase& schema, const std::string& prefix) {
  for (const OptionSpec& spec : schema.options()) {
    const std::string fallback = spec.is_required ? "required" : "`" + cell(spec.fallback.text()) + "`";
    std::cout << "| `" << prefix << spec.name << "` | " << spec.type_text() << " | " << fallback << " | "
              << cell(spec.limits_text()) << " | " << cell(spec.doc) << " |\n";
    if (spec.table) print_markdown_rows(*spec.table, prefix + spec.name + "[].");
  }
}

void print_markdown(const Subject& subject) {
  const bool is_table = subject.kind == "table";
  std::cout << "\n### " << (is_table ? "[" + subject.name + "]" : subject.name) << "\n\n"
            << subject.schema->summary() << ".\n\n"
            << "| key | type | default | limits | meaning |\n|---|---|---|---|---|\n";
  print_markdown_rows(*subject.schema, "");
}

/// One page: a chapter for each kind, a table of options for each subject.
void print_markdown(const std::vector<Subject>& subjects) {
  std::cout
      << "# Components and tables\n\nPrinted by `cairn inspect --markdown` from the options schemas. Do not edit.\n";
  std::vector<std::string> kinds = {"table"};
  for (const ComponentKind kind : kKinds) kinds.emplace_back(kind_name(kind));
  for (const std::string& kind : kinds) {
    bool is_first = true;
    for (const Subject& subject : subjects) {
      if (subject.kind != kind) continue;
      if (is_first) std::cout << "\n## " << (kind == "table" ? "Tables of the core" : "Kind: " + kind) << '\n';
      is_first = false;
      print_markdown(subject);
    }
  }
}

int inspect(const InspectArguments& arguments, const Session& session) {
  PluginLoader loader = session.loader();
  const std::vector<Subject> subjects = select(arguments, loader);
  const bool is_single = subjects.size() == 1 && (!arguments.name.empty() || subjects.front().kind == "table");
  if (arguments.json) {
    Json out = Json::array();
    for (const Subject& subject : subjects) {
      Json item = {{"kind", subject.kind}, {"name", subject.name}};
      item.update(to_json(*subject.schema));
      out.push_back(std::move(item));
    }
    std::cout << json_text(out) << '\n';
  } else if (arguments.markdown) {
    print_markdown(subjects);
  } else if (is_single) {
    print_one(subjects.front());
  } else {
    print_list(subjects);
  }
  return kDone;
}

}  // namespace

void add_inspect(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("inspect", "Shows components and tables with every option they take");
  auto arguments = std::make_shared<InspectArguments>();
  command->add_option("kind", arguments->kind,
                      "modality, encoder, projector, masker, predictor, objective, or a table");
  command->add_option("name", arguments->name, "a type, such as image.folder");
  CLI::Option* json = command->add_flag("--json", arguments->json, "print facts as JSON");
  command->add_flag("--markdown", arguments->markdown, "print a page of Markdown, as docs/components.md")
      ->excludes(json);
  command->callback([arguments, &session] { session.action = [=, &session] { return inspect(*arguments, session); }; });
}

}  // namespace cairn::cli
