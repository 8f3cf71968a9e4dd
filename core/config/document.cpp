#include "config/document.h"

#include <algorithm>

#include "config/report.h"

namespace cairn {
namespace {

constexpr std::size_t kOriginColumn = 56;

struct Line {
  std::string text;
  std::string origin;
};

std::string header(const std::string& path) {
  const std::size_t bracket = path.find('[');
  return bracket == std::string::npos ? "[" + path + "]" : "[[" + path.substr(0, bracket) + "]]";
}

std::string origin_text(const std::optional<Origin>& origin) { return origin ? origin->text() : "default"; }

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string printed(const std::vector<Line>& lines, bool with_origins) {
  std::size_t column = 0;
  for (const Line& line : lines)
    if (const std::size_t width = characters(line.text); width <= kOriginColumn) column = std::max(column, width);
  std::string out;
  for (const Line& line : lines) {
    out += line.text;
    if (with_origins && !line.text.empty()) {
      const std::size_t width = characters(line.text);
      out += std::string(width < column ? column - width : 0, ' ') + "  # " + line.origin;
    }
    out += '\n';
  }
  return out;
}

/// "objective.0" as tables are named here: "objective[0]".
std::string table_path(std::string name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return name;
  return name.substr(0, dot) + "[" + name.substr(dot + 1) + "]";
}

const ResolvedEntry* find_entry(const ResolvedTable& table, std::string_view key) {
  const std::string_view first = key.substr(0, key.find_first_of(".["));
  for (const ResolvedEntry& entry : table.entries)
    if (entry.key == first) return &entry;
  return nullptr;
}

}  // namespace

std::string dotted_key(const ResolvedTable& table, const ResolvedEntry& entry) {
  return table.path.empty() ? entry.key : table.path + "." + entry.key;
}

ResolvedDocument::ResolvedDocument(std::vector<ResolvedTable> tables, Origin file)
    : tables_(std::move(tables)), file_(std::move(file)) {}

std::string ResolvedDocument::toml(bool with_origins) const {
  std::vector<Line> lines;
  for (const ResolvedTable& table : tables_) {
    if (!lines.empty()) lines.push_back({});
    if (!table.path.empty()) lines.push_back({header(table.path), origin_text(table.origin)});
    for (const ResolvedEntry& entry : table.entries)
      lines.push_back({entry.key + " = " + entry.value.text(), origin_text(entry.origin)});
  }
  return printed(lines, with_origins);
}

ResolvedDocument::Place ResolvedDocument::entry_of(const std::string& table, std::string_view key) const {
  for (const ResolvedTable& each : tables_)
    if (each.path == table) return {&each, find_entry(each, key)};
  return {};
}

ResolvedDocument::Place ResolvedDocument::locate(std::string_view table, const std::string& key) const {
  const Place here = entry_of(table_path(std::string(table)), key);
  if (here.entry != nullptr) return here;
  if (const Place whole = entry_of(table_path(key), ""); whole.table != nullptr) return whole;
  for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
    const Place there = entry_of(table_path(key.substr(0, dot)), std::string_view(key).substr(dot + 1));
    if (there.table != nullptr && there.entry != nullptr) return there;
  }
  if (const Place top = entry_of("", key); top.entry != nullptr || !table.empty()) return top.entry ? top : here;
  for (const ResolvedTable& each : tables_)
    if (const ResolvedEntry* entry = find_entry(each, key); entry != nullptr) return {&each, entry};
  return here;
}

std::string ResolvedDocument::explain(const ConfigError& error, std::string_view table) const {
  const Place place = locate(table, error.key());
  std::string name = place.table != nullptr ? place.table->path : std::string(table);
  if (place.entry != nullptr) name += (name.empty() ? "" : ".") + place.entry->key;
  if (name.empty()) name = error.key();
  Problem problem{file_, name.empty() ? error.message() : "'" + name + "': " + error.message(), error.advice()};
  if (place.entry != nullptr && place.entry->origin) {
    problem.at = *place.entry->origin;
  } else if (place.table != nullptr && place.table->origin) {
    problem.at = *place.table->origin;
  }
  if (place.entry != nullptr && !place.entry->origin)
    problem.note = "'" + name + "' has its default, " + place.entry->value.text();
  return describe(problem);
}

}  // namespace cairn
