#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "config/layers.h"
#include "config/load.h"
#include "interface/suggest.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using SchemaPointer = std::shared_ptr<const SchemaBase>;

struct CoreTable {
  std::string name;
  SchemaPointer schema;
};

template <class S>
SchemaPointer shared_schema() {
  return std::make_shared<Schema<S>>(S::schema());
}

const std::vector<CoreTable>& core_tables() {
  static const std::vector<CoreTable> tables = {{"plugins", shared_schema<PluginSettings>()},
                                                {"initial", shared_schema<InitialSettings>()},
                                                {"ema", shared_schema<EmaSettings>()},
                                                {"optim", shared_schema<OptimSettings>()},
                                                {"schedule", shared_schema<ScheduleSettings>()},
                                                {"train", shared_schema<TrainSettings>()},
                                                {"checkpoint", shared_schema<CheckpointSettings>()},
                                                {"evaluate", shared_schema<EvaluateSettings>()},
                                                {"log", shared_schema<LogSettings>()},
                                                {"distributed", shared_schema<DistributedSettings>()}};
  return tables;
}

struct ComponentTable {
  const char* name;
  ComponentKind kind;
  bool is_required;
};

constexpr ComponentTable kComponentTables[] = {{"modality", ComponentKind::modality, true},
                                               {"encoder", ComponentKind::encoder, true},
                                               {"projector", ComponentKind::projector, false},
                                               {"masker", ComponentKind::masker, true},
                                               {"predictor", ComponentKind::predictor, false}};

/// The keys of an [[objective]] that belong to the core.
struct WeightSettings {
  double weight = 1.0;
  static Schema<WeightSettings> schema() {
    Schema<WeightSettings> s("What the core reads of an objective");
    s.option("weight", &WeightSettings::weight, "factor of this loss in the sum").at_least(0);
    return s;
  }
};

/// A table about to be checked: what it is called, and which schemas its keys come from.
struct TableTask {
  std::string path;                    // "masker", "objective[0]"
  std::string type;                    // of a component
  std::string inspect;                 // what follows `cairn inspect`: "masker video.multiblock", "optim"
  std::vector<SchemaPointer> schemas;  // the core's own first
};

std::string label(const std::string& path) {
  if (path.empty()) return "the top level";
  const std::size_t bracket = path.find('[');
  return bracket == std::string::npos ? "[" + path + "]" : "[[" + path.substr(0, bracket) + "]]";
}

std::string full_key(const std::string& path, const std::string& key) { return path.empty() ? key : path + "." + key; }

/// The whole number that a real one stands for, as 1e3 does; nothing for others.
std::optional<std::int64_t> as_integer(const Setting& setting) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  const auto* real = setting.shape == Shape::scalar ? std::get_if<double>(&setting.scalar.data) : nullptr;
  if (real == nullptr || !(std::abs(*real) <= kExact) || *real != std::trunc(*real)) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

bool is_one_line(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c); });
}

/// Integers become reals where a real is asked for, paths become absolute.
Value normalised(const OptionSpec& spec, Value value) {
  if (spec.kind == OptionKind::real)
    if (const auto* whole = std::get_if<std::int64_t>(&value.data)) return static_cast<double>(*whole);
  if (auto* items = std::get_if<Value::Array>(&value.data); items != nullptr && spec.kind != OptionKind::tables) {
    OptionSpec element = spec;
    element.kind = spec.kind == OptionKind::reals ? OptionKind::real : OptionKind::text;
    for (Value& item : *items) item = normalised(element, std::move(item));
  }
  if (auto* text = std::get_if<std::string>(&value.data); text != nullptr && spec.is_path && !text->empty())
    *text = fs::absolute(*text).lexically_normal().string();
  return value;
}

/// Holds tables against their schemas; what is wrong goes into the report with its place.
class TableChecker {
 public:
  TableChecker(const Setting& root, ProblemReport& report) : root_(root), report_(report) {}
  virtual ~TableChecker() = default;

  /// The table complete with defaults; every fault of it goes into the report.
  ResolvedTable check_table(const Setting* table, const TableTask& task) {
    ResolvedTable out{task.path, task.type, std::nullopt, {}};
    if (table != nullptr) {
      out.origin = table->value_at;
      for (const Setting& child : table->children)
        if ((task.type.empty() || child.key != "type") && find(task, child.key) == nullptr)
          report_unknown_key(child, task);
      if (!task.type.empty()) out.entries.push_back({"type", task.type, table->find("type")->value_at});
    }
    for (const SchemaPointer& schema : task.schemas)
      for (const OptionSpec& spec : schema->options()) out.entries.push_back(check_option(table, task, spec));
    return out;
  }

  static Value::Table values(const ResolvedTable& table) {
    Value::Table out;
    for (const ResolvedEntry& entry : table.entries) out.emplace_back(entry.key, entry.value);
    return out;
  }

 protected:
  /// Where else a key belongs ("'momentum' is a key of [ema]"), or empty.
  virtual std::string key_elsewhere(const std::string&, const std::string&) const { return {}; }

  const Setting& root_;
  ProblemReport& report_;

 private:
  void report_unknown_key(const Setting& child, const TableTask& task) {
    std::vector<std::string> names;
    if (!task.type.empty()) names.emplace_back("type");
    for (const SchemaPointer& schema : task.schemas)
      for (const OptionSpec& spec : schema->options()) names.push_back(spec.name);
    std::string advice = did_you_mean(child.key, names);
    if (advice.empty()) advice = key_elsewhere(child.key, task.path);
    if (!task.inspect.empty()) advice += (advice.empty() ? "" : "   ") + ("all keys: cairn inspect " + task.inspect);
    const std::string type = task.type.empty() ? "" : " (type \"" + task.type + "\")";
    report_.add({child.key_at, "unknown key '" + child.key + "' in " + label(task.path) + type, advice});
  }

  void report_value(const Setting& child, const std::string& path, const OptionSpec& spec, const std::string& problem) {
    std::string advice;
    if (const auto* text = std::get_if<std::string>(&child.scalar.data);
        text != nullptr && child.shape == Shape::scalar)
      advice = did_you_mean(*text, spec.choice_names);
    if (const auto whole = as_integer(child); spec.kind == OptionKind::integer && whole)
      advice = "write " + std::to_string(*whole);
    report_.add({child.value_at, "'" + full_key(path, child.key) + "' " + problem, advice});
  }

  static const OptionSpec* find(const TableTask& task, const std::string& key) {
    for (const SchemaPointer& schema : task.schemas)
      if (const OptionSpec* spec = schema->find(key)) return spec;
    return nullptr;
  }

  /// Checks a table of tables element by element, so that each problem has its own place.
  Value check_elements(const Setting& list, const std::string& path, const OptionSpec& spec) {
    Value::Array items;
    for (std::size_t i = 0; i < list.children.size(); ++i) {
      const TableTask task{path + "[" + std::to_string(i) + "]", "", "", {spec.table}};
      ResolvedTable resolved = check_table(&list.children[i], task);
      Value::Table table;
      for (ResolvedEntry& entry : resolved.entries) table.emplace_back(entry.key, std::move(entry.value));
      items.emplace_back(std::move(table));
    }
    return items;
  }

  static bool is_list_of_tables(const Setting& setting) {
    return setting.shape == Shape::list &&
           std::all_of(setting.children.begin(), setting.children.end(),
                       [](const Setting& child) { return child.shape == Shape::table; });
  }

  Value check_value(const Setting& child, const std::string& path, const OptionSpec& spec) {
    if (spec.kind == OptionKind::tables && is_list_of_tables(child))
      return check_elements(child, full_key(path, child.key), spec);
    const Value value = child.value();
    if (const auto problem = spec.problem(value)) {
      report_value(child, path, spec, *problem);
      return spec.fallback;
    }
    return normalised(spec, value);
  }

  ResolvedEntry check_option(const Setting* table, const TableTask& task, const OptionSpec& spec) {
    const Setting* child = table != nullptr ? table->find(spec.name) : nullptr;
    if (child != nullptr) return {spec.name, check_value(*child, task.path, spec), child->value_at};
    if (spec.is_required) {
      const Origin at = table != nullptr ? table->value_at : root_.value_at;
      report_.add({at, "'" + full_key(task.path, spec.name) + "' (" + spec.doc + ") is missing"});
    }
    return {spec.name, normalised(spec, spec.fallback), std::nullopt};
  }
};

class Validator : public TableChecker {
 public:
  Validator(const Setting& root, const fs::path& file, PluginLoader& loader, ProblemReport& report)
      : TableChecker(root, report), file_(file), loader_(loader) {}

  Experiment run() {
    open_plugin_folders();
    find_components();
    find_objectives();
    check_top();
    Experiment experiment = build();
    report_.raise();
    experiment.document = std::make_shared<ResolvedDocument>(std::move(tables_), root_.value_at);
    return experiment;
  }

 private:
  // The folders come first: the types of the other tables are looked for in them.
  void open_plugin_folders() {
    std::vector<fs::path> folders;
    const Setting* plugins = root_.find("plugins");
    const Setting* path = plugins != nullptr ? plugins->find("path") : nullptr;
    if (path != nullptr && !core_table_schema("plugins")->find("path")->problem(path->value()))
      for (const Setting& folder : path->children) {
        if (std::get<std::string>(folder.scalar.data).empty()) {
          report_.add({folder.value_at, "'plugins.path' holds an empty name", "name a folder, or leave it out"});
        } else {
          folders.push_back(folder_of(folder));
        }
      }
    loader_.set_experiment_folders(std::move(folders));
  }

  static fs::path folder_of(const Setting& setting) {
    const fs::path& start = setting.value_at.source->folder;
    return fs::absolute(start / std::get<std::string>(setting.scalar.data)).lexically_normal();
  }

  void find_components() {
    for (const ComponentTable& table : kComponentTables) {
      const Setting* setting = component_table(table);
      if (setting != nullptr) add_component(*setting, table.name, table.kind);
    }
  }

  const Setting* component_table(const ComponentTable& table) {
    const Setting* setting = root_.find(table.name);
    if (setting == nullptr) {
      if (table.is_required) report_.add({root_.value_at, "table [" + std::string(table.name) + "] is missing"});
      return nullptr;
    }
    return is_table(*setting) ? setting : nullptr;
  }

  bool is_table(const Setting& setting) {
    if (setting.shape == Shape::table) return true;
    const bool is_list_of_tables =
        setting.shape == Shape::list && !setting.children.empty() && setting.children.front().shape == Shape::table;
    if (is_list_of_tables) {
      report_.add({setting.key_at, "'" + setting.key + "' is one table, not a list", "write [" + setting.key + "]"});
    } else {
      report_.add({setting.value_at, "'" + setting.key + "' must be a table, is " + setting.value().kind_text()});
    }
    return false;
  }

  void find_objectives() {
    const Setting* list = root_.find("objective");
    if (list == nullptr) {
      report_.add({root_.value_at, "table [[objective]] is missing"});
    } else if (list->shape != Shape::list) {
      report_.add(
          {list->key_at, "'objective' is a list of tables, is " + list->value().kind_text(), "write [[objective]]"});
    } else if (list->children.empty()) {
      report_.add({list->value_at, "'objective' needs at least one table, got none"});
    } else {
      add_objectives(*list);
    }
  }

  void add_objectives(const Setting& list) {
    for (std::size_t i = 0; i < list.children.size(); ++i) {
      const std::string path = "objective[" + std::to_string(i) + "]";
      const Setting& setting = list.children[i];
      if (setting.shape == Shape::table) {
        add_component(setting, path, ComponentKind::objective);
      } else {
        report_.add({setting.value_at, "'" + path + "' must be a table, is " + setting.value().kind_text()});
      }
    }
  }

  /// Notes the table for checking, with the component's schema where its type can be found.
  void add_component(const Setting& setting, const std::string& path, ComponentKind kind) {
    TableTask task{path, "", "", {}};
    if (kind == ComponentKind::objective) task.schemas.push_back(shared_schema<WeightSettings>());
    if (const auto type = component_type(setting, path, kind)) {
      task.type = *type;
      task.inspect = kind_name_of(kind) + " " + *type;
      if (auto schema = component_schema(*setting.find("type"), kind, *type)) {
        task.schemas.push_back(std::move(schema));
        components_.emplace(path, std::move(task));
      }
    }
  }

  static std::string kind_name_of(ComponentKind kind) { return kind_name(kind); }

  std::optional<std::string> component_type(const Setting& table, const std::string& path, ComponentKind kind) {
    const std::string all = "all types: cairn inspect " + kind_name_of(kind);
    const Setting* type = table.find("type");
    if (type == nullptr) {
      const std::vector<std::string> wanted = {"type"};
      for (const Setting& child : table.children)
        if (!nearest(child.key, wanted).empty()) return unknown_type_key(child, path);
      report_.add({table.value_at, "'" + path + ".type' is missing", all});
      return std::nullopt;
    }
    OptionSpec spec;
    spec.kind = OptionKind::text;
    if (const auto problem = spec.problem(type->value())) {
      report_.add({type->value_at, "'" + path + ".type' " + *problem, all});
      return std::nullopt;
    }
    return std::get<std::string>(type->scalar.data);
  }

  std::optional<std::string> unknown_type_key(const Setting& child, const std::string& path) {
    report_.add({child.key_at, "unknown key '" + child.key + "' in " + label(path), "did you mean 'type'?"});
    return std::nullopt;
  }

  SchemaPointer component_schema(const Setting& type, ComponentKind kind, const std::string& name) {
    try {
      return loader_.schema(kind, name);
    } catch (const Error& error) {
      const std::string where = error.where().empty() ? "" : error.where() + ": ";
      Problem problem{type.value_at, where + error.message(), error.advice()};
      // The folders looked in are too long to stand beside a caret.
      if (const std::size_t at = problem.advice.find("looked in:"); at != std::string::npos) {
        problem.note = problem.advice.substr(at);
        problem.advice.erase(at == 0 ? 0 : at - 1);
      }
      report_.add(std::move(problem));
      return nullptr;
    }
  }

  void check_top() {
    for (const Setting& child : root_.children) {
      const bool is_component = std::any_of(std::begin(kComponentTables), std::end(kComponentTables),
                                            [&](const ComponentTable& table) { return child.key == table.name; });
      if (is_component || child.key == "objective" || core_table_schema(child.key)) continue;
      if (TopSettings::schema().find(child.key) == nullptr) report_unknown_top(child);
    }
  }

  void report_unknown_top(const Setting& child) {
    const bool is_scalar = child.shape == Shape::scalar;
    std::vector<std::string> names = core_table_names();
    for (const ComponentTable& table : kComponentTables) names.emplace_back(table.name);
    names.emplace_back("objective");
    if (is_scalar) names = {"name", "seed", "extends", "unset"};
    std::string advice = did_you_mean(child.key, names);
    if (advice.empty() && is_scalar) advice = key_elsewhere(child.key, "");
    if (advice.empty()) {
      for (const std::string& name : names) advice += (advice.empty() ? "there are: " : ", ") + name;
    }
    const std::string what =
        is_scalar ? "unknown key '" + child.key + "' above the first table" : "unknown table [" + child.key + "]";
    report_.add({child.key_at, what, advice});
  }

  /// "'momentum' is a key of [ema]", or empty.
  std::string key_elsewhere(const std::string& key, const std::string& here) const override {
    for (const CoreTable& table : core_tables())
      if (table.name != here && table.schema->find(key) != nullptr)
        return "'" + key + "' is a key of " + label(table.name);
    for (const auto& [path, task] : components_)
      for (const SchemaPointer& schema : task.schemas)
        if (path != here && schema->find(key) != nullptr) return "'" + key + "' is a key of " + label(path);
    if (TopSettings::schema().find(key) != nullptr) return "'" + key + "' stands above the first table";
    return {};
  }

  /// A table of the core, checked and read; defaults where it is wrong, since the report stops the run anyway.
  template <class S>
  S core(const std::string& name) {
    const Setting* setting = root_.find(name);
    if (setting != nullptr && !is_table(*setting)) return {};
    tables_.push_back(check_table(setting, {name, "", name, {core_table_schema(name)}}));
    return report_.empty() ? S::schema().parse(values(tables_.back())) : S{};
  }

  TopSettings top() {
    Setting scalars = root_;
    std::erase_if(scalars.children,
                  [](const Setting& child) { return TopSettings::schema().find(child.key) == nullptr; });
    ResolvedTable table = check_table(&scalars, {"", "", "", {shared_schema<TopSettings>()}});
    if (const Setting* name = root_.find("name"); name != nullptr && name->shape == Shape::scalar)
      if (const auto* text = std::get_if<std::string>(&name->scalar.data); text != nullptr && !is_one_line(*text))
        report_.add({name->value_at, "'name' holds a line break or another control character", "write plain text"});
    for (ResolvedEntry& entry : table.entries)
      if (entry.key == "name" && entry.value == Value(std::string())) entry.value = file_.stem().string();
    tables_.push_back(std::move(table));
    return report_.empty() ? TopSettings::schema().parse(values(tables_.back())) : TopSettings{};
  }

  PluginSettings plugins() {
    auto settings = core<PluginSettings>("plugins");
    if (!report_.empty()) return settings;
    settings.path.clear();
    Value::Array folders;
    const Setting* table = root_.find("plugins");
    if (const Setting* path = table != nullptr ? table->find("path") : nullptr) {
      for (const Setting& folder : path->children) settings.path.push_back(folder_of(folder).string());
    }
    for (const std::string& folder : settings.path) folders.emplace_back(folder);
    tables_.back().entries.front().value = std::move(folders);
    return settings;
  }

  std::optional<ComponentSettings> component(const Setting* setting, const std::string& path) {
    const auto task = components_.find(path);
    if (task == components_.end() || setting == nullptr) return std::nullopt;
    tables_.push_back(check_table(setting, task->second));
    ComponentSettings out{task->second.type, {}, path};
    for (const ResolvedEntry& entry : tables_.back().entries)
      if (task->second.schemas.back()->find(entry.key) != nullptr) out.options.emplace_back(entry.key, entry.value);
    return out;
  }

  std::optional<ComponentSettings> component(const std::string& name) { return component(root_.find(name), name); }

  std::vector<ObjectiveSettings> objectives() {
    std::vector<ObjectiveSettings> out;
    const Setting* list = root_.find("objective");
    if (list == nullptr || list->shape != Shape::list) return out;
    for (std::size_t i = 0; i < list->children.size(); ++i) {
      auto settings = component(&list->children[i], "objective[" + std::to_string(i) + "]");
      if (!settings) continue;
      ObjectiveSettings objective{std::move(*settings), 1.0};
      for (const ResolvedEntry& entry : tables_.back().entries)
        if (entry.key == "weight") objective.weight = std::get<double>(entry.value.data);
      out.push_back(std::move(objective));
    }
    return out;
  }

  Experiment build() {
    Experiment experiment;
    const TopSettings top_settings = top();
    experiment.name = top_settings.name;
    experiment.seed = static_cast<std::uint64_t>(top_settings.seed);
    experiment.plugins = plugins();
    experiment.modality = component("modality").value_or(ComponentSettings{});
    experiment.encoder = component("encoder").value_or(ComponentSettings{});
    experiment.projector = component("projector");
    experiment.masker = component("masker").value_or(ComponentSettings{});
    experiment.predictor = component("predictor");
    experiment.objectives = objectives();
    experiment.initial = core<InitialSettings>("initial");
    experiment.ema = core<EmaSettings>("ema");
    experiment.optim = core<OptimSettings>("optim");
    experiment.schedule = core<ScheduleSettings>("schedule");
    experiment.train = core<TrainSettings>("train");
    experiment.checkpoint = core<CheckpointSettings>("checkpoint");
    experiment.evaluate = core<EvaluateSettings>("evaluate");
    experiment.log = core<LogSettings>("log");
    experiment.distributed = core<DistributedSettings>("distributed");
    return experiment;
  }

  const fs::path& file_;
  PluginLoader& loader_;
  std::map<std::string, TableTask> components_;
  std::vector<ResolvedTable> tables_;
};

/// ExperimentError for a file that compares experiments, of which every line would be a problem.
void refuse_suite(const Setting& root) {
  const Setting* methods = root.find("method");
  if (methods == nullptr || methods->shape != Shape::list || root.find("objective") != nullptr) return;
  throw ExperimentError(
      describe({root.value_at, "a suite of experiments, where one experiment is wanted", "cairn compare takes it"}));
}

}  // namespace

SchemaPointer core_table_schema(std::string_view table) {
  for (const CoreTable& each : core_tables())
    if (each.name == table) return each.schema;
  return nullptr;
}

std::vector<std::string> core_table_names() {
  std::vector<std::string> names;
  for (const CoreTable& table : core_tables()) names.push_back(table.name);
  return names;
}

Experiment load_experiment(const fs::path& file, std::span<const std::string> sets, PluginLoader& loader) {
  ProblemReport report;
  const Setting root = merge_layers(file, sets, report);
  report.raise();
  refuse_suite(root);
  return Validator(root, file, loader, report).run();
}

Setting read_settings(const fs::path& file) {
  ProblemReport report;
  Setting root = merge_layers(file, {}, report);
  report.raise();
  return root;
}

Value::Table check_settings(const Setting& root, std::shared_ptr<const SchemaBase> schema) {
  ProblemReport report;
  const ResolvedTable table = TableChecker(root, report).check_table(&root, {"", "", "", {std::move(schema)}});
  report.raise();
  return TableChecker::values(table);
}

}  // namespace cairn
