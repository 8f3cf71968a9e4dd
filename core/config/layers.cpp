#include "config/layers.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <sstream>

#include "config/toml_text.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> scalar_text(const Setting* setting) {
  if (setting == nullptr || setting->shape != Shape::scalar) return std::nullopt;
  const auto* text = std::get_if<std::string>(&setting->scalar.data);
  return text != nullptr ? std::optional(*text) : std::nullopt;
}

/// Options of another type would be unknown keys that nobody wrote. A --set never drops what another --set says.
void drop_if_type_changes(Setting& table, const Setting* new_type) {
  const auto before = scalar_text(table.find("type")), after = scalar_text(new_type);
  if (!before || !after || *before == *after) return;
  const bool is_override = new_type->value_at.source->is_override;
  std::erase_if(table.children,
                [&](const Setting& child) { return !(is_override && child.value_at.source->is_override); });
}

/// Whether a table stands only in the header of one below it, as [[modality.view]] implies [modality].
bool is_implied(const Setting& table) {
  return table.children.size() == 1 && table.children.front().shape != Shape::scalar &&
         table.children.front().key_at.line == table.key_at.line;
}

void merge_into(Setting& base, Setting layer) {
  drop_if_type_changes(base, layer.find("type"));
  for (Setting& child : layer.children) {
    Setting* old = base.find(child.key);
    if (old == nullptr) {
      base.children.push_back(std::move(child));
    } else if (old->shape == Shape::table && child.shape == Shape::table) {
      if (!is_implied(child)) {
        old->key_at = child.key_at;
        old->value_at = child.value_at;
      }
      merge_into(*old, std::move(child));
    } else {
      *old = std::move(child);
    }
  }
}

std::vector<std::string> split(const std::string& dotted) {
  std::vector<std::string> parts(1);
  for (const char c : dotted) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool is_index(const std::string& part) {
  return !part.empty() && part.size() < 9 &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isdigit(c); });
}

/// The table that the last part of a dotted key belongs to, made where it is missing.
class OverridePath {
 public:
  OverridePath(const Setting& override, ProblemReport& report) : override_(override), report_(report) {}

  Setting* descend(Setting& root) {
    const auto parts = split(override_.key);
    if (std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); }))
      return fail("'" + override_.key + "' is not a key; write it as table.key");
    Setting* at = &root;
    for (std::size_t i = 0; i + 1 < parts.size() && at != nullptr; ++i) {
      path_ += (path_.empty() ? "" : ".") + parts[i];
      at = enter(*at, parts[i]);
      if (at != nullptr && at->shape == Shape::list) at = element(*at, parts, i);
    }
    return at;
  }

 private:
  Setting* fail(std::string text) {
    report_.add({override_.key_at, std::move(text)});
    return nullptr;
  }

  Setting* enter(Setting& table, const std::string& name) {
    Setting* found = table.find(name);
    if (found == nullptr) {
      Setting fresh;
      fresh.key = name;
      fresh.key_at = fresh.value_at = override_.key_at;
      table.children.push_back(std::move(fresh));
      return &table.children.back();
    }
    return found->shape == Shape::scalar ? fail("'" + path_ + "' is not a table") : found;
  }

  Setting* element(Setting& list, const std::vector<std::string>& parts, std::size_t& i) {
    const std::size_t count = list.children.size();
    std::size_t index = 0;
    if (i + 2 < parts.size() && is_index(parts[i + 1])) {
      index = std::stoul(parts[++i]);
      if (index >= count)
        return fail("'" + path_ + "' has " + std::to_string(count) + (count == 1 ? " element" : " elements") +
                    ", counted from 0");
    } else if (count != 1) {
      return fail("'" + path_ + "' has " + std::to_string(count) + " elements; say which, as in " + path_ + ".0." +
                  parts[i + 1]);
    }
    Setting& found = list.children[index];
    return found.shape == Shape::table ? &found : fail("'" + path_ + "' is not a list of tables");
  }

  const Setting& override_;
  ProblemReport& report_;
  std::string path_;
};

void apply_override(Setting& root, Setting override, ProblemReport& report) {
  Setting* table = OverridePath(override, report).descend(root);
  if (table == nullptr) return;
  Setting layer;
  override.key = split(override.key).back();
  layer.children.push_back(std::move(override));
  merge_into(*table, std::move(layer));
}

/// Reads the file of an experiment and everything it extends.
class LayerReader {
 public:
  explicit LayerReader(ProblemReport& report) : report_(report) {}

  Setting read(const fs::path& file, const std::string& included_from) {
    Setting merged;
    const auto source = std::make_shared<SettingSource>();
    source->name = file.string();
    source->folder = file.parent_path();
    source->order = order_++;
    source->included_from = included_from;
    merged.value_at = {source, 1, 1, 0};

    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    source->lines = lines_of(text.str());
    auto layer = parse_toml(text.str(), source, report_);
    if (!layer) return merged;
    chain_.push_back(file);
    extend(*layer, merged);
    chain_.pop_back();
    unset(*layer, merged);
    layer->erase("extends");
    layer->erase("unset");
    merge_into(merged, std::move(*layer));
    return merged;
  }

 private:
  /// Every string of an array that only the core reads; a problem for anything else.
  std::vector<const Setting*> strings(const Setting& layer, const char* key) {
    const Setting* list = layer.find(key);
    if (list == nullptr) return {};
    OptionSpec spec;
    spec.kind = OptionKind::texts;
    if (const auto problem = spec.problem(list->value())) {
      report_.add({list->value_at, "'" + std::string(key) + "' " + *problem});
      return {};
    }
    std::vector<const Setting*> found;
    for (const Setting& item : list->children) found.push_back(&item);
    return found;
  }

  void extend(const Setting& layer, Setting& merged) {
    for (const Setting* base : strings(layer, "extends")) {
      const auto& folder = base->value_at.source->folder;
      const fs::path file = (folder / std::get<std::string>(base->scalar.data)).lexically_normal();
      if (is_readable(file, base->value_at)) include(file, base->value_at, merged);
    }
  }

  void include(const fs::path& file, const Origin& at, Setting& merged) {
    std::error_code error;
    const auto same = [&](const fs::path& other) { return fs::equivalent(file, other, error); };
    if (const auto begin = std::find_if(chain_.begin(), chain_.end(), same); begin != chain_.end()) {
      std::string circle;
      for (auto it = begin; it != chain_.end(); ++it) circle += it->string() + " -> ";
      report_.add({at, "'extends' runs in a circle: " + circle + file.string()});
      return;
    }
    if (!seen_.insert(fs::weakly_canonical(file, error)).second) return;
    std::string from = at.source->name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    if (!at.source->included_from.empty()) from += ", included from " + at.source->included_from;
    merge_into(merged, read(file, from));
  }

  bool is_readable(const fs::path& file, const Origin& at) {
    const std::string fault = file_fault(file);
    if (!fault.empty())
      report_.add({at, "base '" + file.string() + "' " + fault, "paths here are relative to " + at.source->name});
    return fault.empty();
  }

  void unset(const Setting& layer, Setting& merged) {
    for (const Setting* path : strings(layer, "unset")) {
      const auto parts = split(std::get<std::string>(path->scalar.data));
      Setting* table = &merged;
      for (std::size_t i = 0; i + 1 < parts.size() && table != nullptr; ++i) table = table->find(parts[i]);
      if (table != nullptr && table->find(parts.back()) != nullptr) {
        table->erase(parts.back());
      } else {
        report_.add({path->value_at, "no base sets '" + std::get<std::string>(path->scalar.data) + "'"});
      }
    }
  }

  ProblemReport& report_;
  std::vector<fs::path> chain_;
  std::set<fs::path> seen_;
  int order_ = 0;
};

}  // namespace

std::string file_fault(const fs::path& file) {
  std::error_code error;
  const auto status = fs::status(file, error);
  if (!fs::exists(status)) return "does not exist";
  if (!fs::is_regular_file(status)) return "is not a file";
  return std::ifstream(file) ? "" : "cannot be opened for reading";
}

Setting merge_layers(const fs::path& file, std::span<const std::string> sets, ProblemReport& report) {
  const std::string fault = file_fault(file);
  if (!fault.empty()) throw ExperimentError("experiment '" + file.string() + "' " + fault);
  Setting root = LayerReader(report).read(file, "");
  for (std::size_t i = 0; i < sets.size(); ++i) {
    auto override = parse_override(sets[i], i + 1, report);
    if (override) apply_override(root, std::move(*override), report);
  }
  return root;
}

}  // namespace cairn
