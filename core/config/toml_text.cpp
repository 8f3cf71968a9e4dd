#include "config/toml_text.h"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

namespace cairn {
namespace {

/// Walks toml++'s tree at once, because copying a node there loses its place.
class Walker {
 public:
  Walker(std::shared_ptr<const SettingSource> source, ProblemReport& report)
      : source_(std::move(source)), report_(report) {}

  Setting table(const toml::table& from) {
    Setting to;
    to.value_at = place(from.source());
    for (const auto& [key, node] : from) {
      Setting child = walk(node);
      child.key = std::string(key.str());
      child.key_at = place(key.source());
      to.children.push_back(std::move(child));
    }
    // toml++ sorts by name; the order of the file is what people know.
    std::stable_sort(to.children.begin(), to.children.end(), [](const Setting& a, const Setting& b) {
      return std::tie(a.key_at.line, a.key_at.column) < std::tie(b.key_at.line, b.key_at.column);
    });
    return to;
  }

 private:
  Origin place(const toml::source_region& region) const {
    const std::size_t line = std::max<std::size_t>(1, region.begin.line);
    const std::size_t column = std::max<std::size_t>(1, region.begin.column);
    if (region.end.line == region.begin.line && region.end.column > column)
      return {source_, line, column, region.end.column - column};
    const std::string& text = line <= source_->lines.size() ? source_->lines[line - 1] : std::string();
    return {source_, line, column, text.size() >= column ? text.size() - column + 1 : 1};
  }

  Setting walk(const toml::node& node) {
    if (const auto* inner = node.as_table()) return table(*inner);
    Setting to;
    to.value_at = place(node.source());
    if (const auto* array = node.as_array()) {
      to.shape = Shape::list;
      for (const toml::node& item : *array) to.children.push_back(walk(item));
      return to;
    }
    to.shape = Shape::scalar;
    if (const auto* text = node.as_string()) {
      to.scalar = text->get();
    } else if (const auto* whole = node.as_integer()) {
      to.scalar = whole->get();
    } else if (const auto* real = node.as_floating_point()) {
      to.scalar = real->get();
    } else if (const auto* flag = node.as_boolean()) {
      to.scalar = flag->get();
    } else {
      report_.add({to.value_at, "dates and times are not values of any option", "write it in quotes"});
    }
    return to;
  }

  std::shared_ptr<const SettingSource> source_;
  ProblemReport& report_;
};

/// The problem that `text`, what toml++ found at `at`, is about a number beyond 64 bits; nothing where it is another.
std::optional<Problem> too_large(const std::string& text, Origin at) {
  const std::size_t begin = text.find('\''), end = text.find('\'', begin + 1);
  const bool is_number = text.find("not representable in 64 bits") != std::string::npos ||
                         text.find("could not be interpreted as a value") != std::string::npos;
  if (!is_number || end == std::string::npos) return std::nullopt;
  const std::string number = text.substr(begin + 1, end - begin - 1);
  at.column -= std::min(at.column - 1, number.size());
  at.width = number.size();
  return Problem{at, "64 bits do not hold the number " + number,
                 "integers reach to 9e18, other numbers from 1e-308 to 1e308"};
}

void add_syntax_problem(const toml::parse_error& error, const std::shared_ptr<const SettingSource>& source,
                        ProblemReport& report) {
  const auto begin = error.source().begin;
  const Origin at{source, std::max<std::size_t>(1, begin.line), std::max<std::size_t>(1, begin.column), 1};
  const std::string text(error.description());
  if (const auto number = too_large(text, at)) return report.add(*number);
  report.add({at, "not TOML: " + text});
}

bool looks_like_toml(const std::string& value) {
  const std::size_t first = value.find_first_not_of(" \t");
  return first != std::string::npos && std::string_view("[{\"'").find(value[first]) != std::string_view::npos;
}

Setting bare_word(const std::string& value, std::size_t column, const std::shared_ptr<const SettingSource>& source) {
  Setting setting;
  setting.shape = Shape::scalar;
  setting.scalar = value;
  setting.value_at = {source, 1, column, std::max<std::size_t>(1, value.size())};
  return setting;
}

// Behind all files, in the order of the command line.
constexpr int kOverrideOrder = 1 << 20;

std::shared_ptr<const SettingSource> override_source(const std::string& text, std::size_t number) {
  auto source = std::make_shared<SettingSource>();
  source->name = "--set #" + std::to_string(number);
  source->lines = lines_of(text);
  source->order = kOverrideOrder + static_cast<int>(number);
  source->is_override = true;
  return source;
}

}  // namespace

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

std::optional<Setting> parse_toml(const std::string& text, const std::shared_ptr<const SettingSource>& source,
                                  ProblemReport& report) {
  try {
    const toml::table document = toml::parse(text);
    return Walker(source, report).table(document);
  } catch (const toml::parse_error& error) {
    add_syntax_problem(error, source, report);
    return std::nullopt;
  }
}

std::optional<Setting> parse_override(const std::string& text, std::size_t number, ProblemReport& report) {
  const auto source = override_source(text, number);
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    const Origin at{source, 1, 1, std::max<std::size_t>(1, text.size())};
    report.add({at, "wants key=value, as in optim.lr=1e-3"});
    return std::nullopt;
  }
  const std::string value = text.substr(equals + 1);
  std::optional<Setting> setting;
  try {
    // The stand-in key is as long as the real one, so that columns are those of the command line.
    const toml::table document = toml::parse(std::string(equals, 'k') + "=" + value);
    if (document.size() == 1 && !document.begin()->second.is_date() && !document.begin()->second.is_time() &&
        !document.begin()->second.is_date_time())
      setting = std::move(Walker(source, report).table(document).children.front());
  } catch (const toml::parse_error& error) {
    if (looks_like_toml(value)) {
      add_syntax_problem(error, source, report);
      return std::nullopt;
    }
  }
  if (!setting) setting = bare_word(value, equals + 2, source);
  setting->key = text.substr(0, equals);
  setting->key_at = {source, 1, 1, equals};
  return setting;
}

Value::Table parse_overrides(std::span<const std::string> sets) {
  Value::Table values;
  ProblemReport report;
  for (std::size_t i = 0; i < sets.size(); ++i)
    if (const auto setting = parse_override(sets[i], i + 1, report)) {
      std::erase_if(values, [&](const auto& entry) { return entry.first == setting->key; });
      values.emplace_back(setting->key, setting->value());
    }
  report.raise();
  return values;
}

}  // namespace cairn
