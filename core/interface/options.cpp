#include "cairn/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "cairn/error.h"

namespace cairn {
namespace {

std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return std::string(buffer.data(), end);
}

std::string real_text(double number) {
  const std::string text = number_text(number);
  return std::isfinite(number) && text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      std::array<char, 8> code{};
      std::snprintf(code.data(), code.size(), "\\u%04X", static_cast<unsigned>(c));
      out += code.data();
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string key_text(const std::string& key) {
  const bool is_bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '-';
  });
  return is_bare ? key : quoted(key);
}

const char* element_name(OptionKind kind, bool many) {
  switch (kind) {
    case OptionKind::integers:
      return many ? "integers" : "an integer";
    case OptionKind::reals:
      return many ? "numbers" : "a number";
    case OptionKind::texts:
      return many ? "strings" : "a string";
    default:
      return many ? "tables" : "a table";
  }
}

bool is_array(OptionKind kind) {
  return kind == OptionKind::integers || kind == OptionKind::reals || kind == OptionKind::texts ||
         kind == OptionKind::tables;
}

bool holds(OptionKind kind, const Value& value) {
  const bool whole = std::holds_alternative<std::int64_t>(value.data);
  switch (kind) {
    case OptionKind::boolean:
      return std::holds_alternative<bool>(value.data);
    case OptionKind::integer:
    case OptionKind::integers:
      return whole;
    case OptionKind::real:
    case OptionKind::reals:
      return whole || std::holds_alternative<double>(value.data);
    case OptionKind::text:
    case OptionKind::texts:
      return std::holds_alternative<std::string>(value.data);
    case OptionKind::tables:
      return std::holds_alternative<Value::Table>(value.data);
  }
  return false;
}

/// Whether a text is a number that neither an integer nor a real of 64 bits can be: TOML takes it for none.
bool is_beyond_64_bits(const std::string& text) {
  const char* const end = text.data() + text.size();
  const auto overflows = [&](auto number) {
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc::result_out_of_range && read.ptr == end;
  };
  return overflows(std::int64_t{}) || overflows(double{});
}

std::string got(const Value& value) {
  const auto* words = std::get_if<std::string>(&value.data);
  if (words != nullptr && is_beyond_64_bits(*words)) return *words + ", which 64 bits do not hold";
  if (words != nullptr) return "the string " + value.text();
  if (std::holds_alternative<std::int64_t>(value.data)) return "the integer " + value.text();
  if (std::holds_alternative<double>(value.data)) return "the number " + value.text();
  if (std::holds_alternative<bool>(value.data)) return value.text();
  return value.kind_text();
}

std::string wanted(const OptionSpec& spec) {
  switch (spec.kind) {
    case OptionKind::boolean:
      return "true or false";
    case OptionKind::integer:
      return "an integer";
    case OptionKind::real:
      return "a number";
    case OptionKind::text:
      return "a string";
    default:
      break;
  }
  const std::string count = spec.length != 0 ? std::to_string(spec.length) + " " : "";
  return "an array of " + count + element_name(spec.kind, true);
}

std::optional<std::string> number_problem(const OptionSpec& spec, double number, const std::string& shown) {
  if (std::isnan(number)) return "must be a number, is nan";
  const bool is_low = spec.low && number < *spec.low;
  const bool is_high = spec.high && number > *spec.high;
  if (!is_low && !is_high) return std::nullopt;
  if (spec.low && spec.high)
    return "must be between " + number_text(*spec.low) + " and " + number_text(*spec.high) + ", is " + shown;
  return (is_low ? "must be at least " + number_text(*spec.low) : "must be at most " + number_text(*spec.high)) +
         ", is " + shown;
}

std::string choice_list(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "\"" : ", \"") + name + "\"";
  return out;
}

std::optional<std::string> table_problem(const SchemaBase& schema, const Value::Table& table) {
  for (const auto& [name, value] : table) {
    const OptionSpec* spec = schema.find(name);
    if (spec == nullptr) return "has the unknown key '" + name + "'";
    if (const auto problem = spec->problem(value)) return "'" + name + "' " + *problem;
  }
  for (const OptionSpec& spec : schema.options()) {
    const auto has_name = [&](const auto& entry) { return entry.first == spec.name; };
    if (spec.is_required && std::none_of(table.begin(), table.end(), has_name))
      return "lacks the key '" + spec.name + "'";
  }
  return std::nullopt;
}

/// The limits of one element, its kind known to be right.
std::optional<std::string> limit_problem(const OptionSpec& spec, const Value& value) {
  if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
    if (const auto problem = number_problem(spec, static_cast<double>(*whole), value.text())) return problem;
    if (spec.multiple && *whole % *spec.multiple != 0)
      return "must be a multiple of " + std::to_string(*spec.multiple) + ", is " + value.text();
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    return number_problem(spec, *real, value.text());
  } else if (const auto* text = std::get_if<std::string>(&value.data)) {
    const auto& names = spec.choice_names;
    if (!names.empty() && std::find(names.begin(), names.end(), *text) == names.end())
      return (names.size() == 1 ? "must be " : "must be one of ") + choice_list(names) + ", is " + value.text();
  } else if (const auto* table = std::get_if<Value::Table>(&value.data)) {
    if (spec.table) return table_problem(*spec.table, *table);
  }
  return std::nullopt;
}

}  // namespace

std::string Value::text() const {
  if (const auto* flag = std::get_if<bool>(&data)) return *flag ? "true" : "false";
  if (const auto* whole = std::get_if<std::int64_t>(&data)) return std::to_string(*whole);
  if (const auto* real = std::get_if<double>(&data)) return real_text(*real);
  if (const auto* words = std::get_if<std::string>(&data)) return quoted(*words);
  std::string out;
  if (const auto* items = std::get_if<Array>(&data)) {
    for (const Value& item : *items) out += (out.empty() ? "" : ", ") + item.text();
    return "[" + out + "]";
  }
  for (const auto& [key, value] : std::get<Table>(data))
    out += (out.empty() ? "" : ", ") + key_text(key) + " = " + value.text();
  return out.empty() ? "{}" : "{ " + out + " }";
}

std::string Value::kind_text() const {
  if (std::holds_alternative<bool>(data)) return "true or false";
  if (std::holds_alternative<std::int64_t>(data)) return "an integer";
  if (std::holds_alternative<double>(data)) return "a number";
  if (std::holds_alternative<std::string>(data)) return "a string";
  const auto* items = std::get_if<Array>(&data);
  if (items == nullptr) return "a table";
  if (items->empty()) return "an empty array";
  OptionKind kind = OptionKind::tables;
  for (const OptionKind each : {OptionKind::texts, OptionKind::reals, OptionKind::integers})
    if (std::all_of(items->begin(), items->end(), [&](const Value& item) { return holds(each, item); })) kind = each;
  const bool is_mixed = !std::all_of(items->begin(), items->end(), [&](const Value& v) { return holds(kind, v); });
  const std::string count = "an array of " + std::to_string(items->size()) + " ";
  if (is_mixed) return count + (items->size() == 1 ? "value" : "values");
  if (items->size() != 1) return count + element_name(kind, true);
  const std::string single = element_name(kind, false);
  return count + single.substr(single.find(' ') + 1);
}

OptionSpec& OptionSpec::range(double lowest, double highest) {
  low = lowest;
  high = highest;
  return *this;
}

OptionSpec& OptionSpec::at_least(double lowest) {
  low = lowest;
  return *this;
}

OptionSpec& OptionSpec::multiple_of(std::int64_t number) {
  multiple = number;
  return *this;
}

OptionSpec& OptionSpec::choices(std::vector<std::string> names) {
  choice_names = std::move(names);
  return *this;
}

OptionSpec& OptionSpec::required() {
  is_required = true;
  return *this;
}

OptionSpec& OptionSpec::path() {
  is_path = true;
  return *this;
}

std::optional<std::string> OptionSpec::problem(const Value& value) const {
  if (!is_array(kind)) {
    if (!holds(kind, value)) return "wants " + wanted(*this) + ", got " + got(value);
    return limit_problem(*this, value);
  }
  const auto* items = std::get_if<Value::Array>(&value.data);
  if (items == nullptr) return "wants " + wanted(*this) + ", got " + got(value);
  if (length != 0 && items->size() != length)
    return "needs " + std::to_string(length) + " " + element_name(kind, true) + ", got " +
           std::to_string(items->size());
  for (std::size_t i = 0; i < items->size(); ++i) {
    const std::string which = "element " + std::to_string(i + 1) + " ";
    if (!holds(kind, (*items)[i])) return which + "wants " + element_name(kind, false) + ", got " + got((*items)[i]);
    if (const auto fault = limit_problem(*this, (*items)[i])) return which + *fault;
  }
  return std::nullopt;
}

std::string OptionSpec::type_text() const {
  switch (kind) {
    case OptionKind::boolean:
      return "boolean";
    case OptionKind::integer:
      return "integer";
    case OptionKind::real:
      return "real";
    case OptionKind::text:
      return is_path ? "path" : "string";
    case OptionKind::tables:
      return "table array";
    default:
      break;
  }
  const std::string each = kind == OptionKind::integers ? "integers" : kind == OptionKind::reals ? "reals" : "strings";
  return "array of " + (length != 0 ? std::to_string(length) + " " : "") + each;
}

std::string OptionSpec::limits_text() const {
  std::string out;
  if (low && high) {
    out = number_text(*low) + " … " + number_text(*high);
  } else if (low) {
    out = "at least " + number_text(*low);
  } else if (high) {
    out = "at most " + number_text(*high);
  }
  if (multiple) out += (out.empty() ? "" : ", ") + ("a multiple of " + std::to_string(*multiple));
  if (choice_names.empty()) return out;
  std::string names;
  for (const std::string& name : choice_names) names += (names.empty() ? "" : ", ") + name;
  return out + (out.empty() ? "" : ", ") + "one of: " + names;
}

SchemaBase::SchemaBase(std::string summary) : summary_(std::move(summary)) {}

const OptionSpec* SchemaBase::find(std::string_view name) const {
  const auto found =
      std::find_if(options_.begin(), options_.end(), [&](const auto& spec) { return spec.name == name; });
  return found == options_.end() ? nullptr : &*found;
}

OptionSpec& SchemaBase::add(OptionSpec spec) { return options_.emplace_back(std::move(spec)); }

void SchemaBase::read(const Value::Table& values, void* options) const {
  for (const auto& [name, value] : values) {
    const OptionSpec* spec = find(name);
    if (spec == nullptr) throw ConfigError(name, "is not an option here");
    if (const auto problem = spec->problem(value)) throw ConfigError(name, *problem);
    spec->assign(options, value);
  }
  for (const OptionSpec& spec : options_) {
    const auto has_name = [&](const auto& entry) { return entry.first == spec.name; };
    if (spec.is_required && std::none_of(values.begin(), values.end(), has_name))
      throw ConfigError(spec.name, "must be given");
  }
}

}  // namespace cairn
