#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// A value as an experiment writes it: what TOML can say, without dates.
struct CAIRN_API Value {
  using Array = std::vector<Value>;
  using Table = std::vector<std::pair<std::string, Value>>;

  std::variant<bool, std::int64_t, double, std::string, Array, Table> data = false;

  Value() = default;
  Value(bool v) : data(v) {}
  Value(std::int64_t v) : data(v) {}
  Value(double v) : data(v) {}
  Value(std::string v) : data(std::move(v)) {}
  Value(Array v) : data(std::move(v)) {}
  Value(Table v) : data(std::move(v)) {}

  bool operator==(const Value&) const = default;
  /// As TOML writes it: `[0.15, 0.2]`, `"layer"`. A real always shows a point or an exponent.
  std::string text() const;
  /// "an integer", "an array of 2 numbers": what a person would call it.
  std::string kind_text() const;
};

enum class OptionKind : std::uint8_t { boolean, integer, real, text, integers, reals, texts, tables };

class SchemaBase;

/// One option of a component: what it accepts, its default, and what it is for.
struct CAIRN_API OptionSpec {
  std::string name;
  std::string doc;
  OptionKind kind = OptionKind::boolean;
  Value fallback;  // the default, from the options struct itself
  bool is_required = false;
  bool is_path = false;                  // made absolute when the experiment is resolved
  std::optional<double> low, high;       // inclusive, for every element of an array
  std::optional<std::int64_t> multiple;  // of this
  std::size_t length = 0;                // of an array; 0: any
  std::vector<std::string> choice_names;
  std::shared_ptr<const SchemaBase> table;  // schema of one element, for `tables`
  std::function<void(void* options, const Value& value)> assign;

  OptionSpec& range(double lowest, double highest);
  OptionSpec& at_least(double lowest);
  OptionSpec& multiple_of(std::int64_t number);
  OptionSpec& choices(std::vector<std::string> names);
  OptionSpec& required();
  OptionSpec& path();

  /// Why `value` cannot be this option ("must be at least 1, is 0"), or nothing. Integers pass for reals.
  std::optional<std::string> problem(const Value& value) const;
  /// "integer", "array of 2 reals", "table array": for listings.
  std::string type_text() const;
  /// "1 … 64", "one of: a, b", "a multiple of 8", or empty.
  std::string limits_text() const;
};

/// The options of a component, in the order they are shown.
class CAIRN_API SchemaBase {
 public:
  explicit SchemaBase(std::string summary);

  const std::string& summary() const { return summary_; }
  const std::deque<OptionSpec>& options() const { return options_; }
  /// The option of this name; nullptr where there is none.
  const OptionSpec* find(std::string_view name) const;
  /// Writes `values` into the options struct this schema is bound to. Unknown names and bad values throw ConfigError.
  void read(const Value::Table& values, void* options) const;

 protected:
  OptionSpec& add(OptionSpec spec);

 private:
  std::string summary_;
  std::deque<OptionSpec> options_;
};

/// Pairs of name and value of an enumeration, as an option shows them.
template <class E>
using Choices = std::initializer_list<std::pair<const char*, E>>;

/// A schema bound to the struct O: defaults are O's own member initialisers, so the two cannot drift apart.
/// Members may be bool, int64_t, double, std::string, vectors and arrays of these, enumerations (with Choices), and
/// vectors of structs that have a static schema() of their own.
template <class O>
class Schema : public SchemaBase {
 public:
  using SchemaBase::SchemaBase;

  template <class T>
  OptionSpec& option(std::string name, T O::*member, std::string doc) {
    OptionSpec spec;
    spec.name = std::move(name);
    spec.doc = std::move(doc);
    describe(spec, O{}.*member);
    spec.assign = [member](void* options, const Value& value) { convert(value, static_cast<O*>(options)->*member); };
    return add(std::move(spec));
  }

  template <class E>
  requires std::is_enum_v<E> OptionSpec& option(std::string name, E O::*member, Choices<E> choices, std::string doc) {
    OptionSpec spec;
    spec.name = std::move(name);
    spec.doc = std::move(doc);
    spec.kind = OptionKind::text;
    std::vector<std::pair<std::string, E>> names;
    for (const auto& [text, value] : choices) {
      spec.choice_names.emplace_back(text);
      names.emplace_back(text, value);
      if (O{}.*member == value) spec.fallback = Value(std::string(text));
    }
    spec.assign = [member, names](void* options, const Value& value) {
      for (const auto& [text, e] : names)
        if (text == std::get<std::string>(value.data)) static_cast<O*>(options)->*member = e;
    };
    return add(std::move(spec));
  }

  /// The struct filled from `values`, defaults elsewhere.
  O parse(const Value::Table& values) const {
    O options;
    read(values, &options);
    return options;
  }

 private:
  static void describe(OptionSpec& spec, bool v) { spec.kind = OptionKind::boolean, spec.fallback = Value(v); }
  static void describe(OptionSpec& spec, std::int64_t v) { spec.kind = OptionKind::integer, spec.fallback = Value(v); }
  static void describe(OptionSpec& spec, double v) { spec.kind = OptionKind::real, spec.fallback = Value(v); }
  static void describe(OptionSpec& spec, const std::string& v) {
    spec.kind = OptionKind::text, spec.fallback = Value(v);
  }
  template <class T, std::size_t N>
  static void describe(OptionSpec& spec, const std::array<T, N>& v) {
    describe(spec, std::vector<T>(v.begin(), v.end()));
    spec.length = N;
  }
  template <class T>
  static void describe(OptionSpec& spec, const std::vector<T>& v) {
    Value::Array items;
    if constexpr (requires { T::schema(); }) {
      spec.kind = OptionKind::tables;
      spec.table = std::make_shared<Schema<T>>(T::schema());
    } else {
      spec.kind = std::is_same_v<T, std::int64_t> ? OptionKind::integers
                  : std::is_same_v<T, double>     ? OptionKind::reals
                                                  : OptionKind::texts;
      for (const auto& item : v) items.emplace_back(item);
    }
    spec.fallback = Value(std::move(items));
  }

  static void convert(const Value& value, bool& out) { out = std::get<bool>(value.data); }
  static void convert(const Value& value, std::int64_t& out) { out = std::get<std::int64_t>(value.data); }
  static void convert(const Value& value, double& out) {
    const auto* whole = std::get_if<std::int64_t>(&value.data);
    out = whole ? static_cast<double>(*whole) : std::get<double>(value.data);
  }
  static void convert(const Value& value, std::string& out) { out = std::get<std::string>(value.data); }
  template <class T, std::size_t N>
  static void convert(const Value& value, std::array<T, N>& out) {
    const auto& items = std::get<Value::Array>(value.data);
    for (std::size_t i = 0; i < N; ++i) convert(items.at(i), out[i]);
  }
  template <class T>
  static void convert(const Value& value, std::vector<T>& out) {
    out.clear();
    for (const auto& item : std::get<Value::Array>(value.data)) {
      T element{};
      if constexpr (requires { T::schema(); }) {
        T::schema().read(std::get<Value::Table>(item.data), &element);
      } else {
        convert(item, element);
      }
      out.push_back(std::move(element));
    }
  }
};

}  // namespace cairn
