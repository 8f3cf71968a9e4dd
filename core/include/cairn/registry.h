#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cairn/component_kind.h"
#include "cairn/export.h"
#include "cairn/masker.h"
#include "cairn/modality.h"
#include "cairn/objective.h"
#include "cairn/options.h"
#include "cairn/predictor.h"

namespace cairn {

/// Makes a component from its options and from what the experiment tells it. ConfigError for options that cannot be.
template <class Interface, class... Setting>
using Factory = std::function<std::shared_ptr<Interface>(const Value::Table& options, const Setting&...)>;

using ModalityFactory = Factory<Modality>;
using EncoderFactory = Factory<Encoder, EncoderSetting>;
using ProjectorFactory = Factory<Projector, ProjectorSetting>;
using MaskerFactory = Factory<Masker>;
using PredictorFactory = Factory<Predictor, PredictorSetting>;
using ObjectiveFactory = Factory<Objective, ObjectiveSetting>;

/// A component as a plugin enrolled it.
struct CAIRN_API Component {
  ComponentKind kind = ComponentKind::modality;
  std::string plugin;
  std::string name;  // without the plugin's: "vit" of "transformer.vit"
  std::shared_ptr<const SchemaBase> schema;
  std::variant<ModalityFactory, EncoderFactory, ProjectorFactory, MaskerFactory, PredictorFactory, ObjectiveFactory>
      factory;

  std::string full_name() const { return plugin + "." + name; }
};

/// What one plugin offers. A plugin's enroll function fills it; each T is constructed from its options struct O, which
/// has a static `Schema<O> schema()`, and from what the experiment tells it.
class CAIRN_API Registry {
 public:
  /// `plugin` is its name, as in "transformer".
  explicit Registry(std::string plugin);

  // Each enrols a component T with options O under `name`, without the plugin's. PluginError if the name is taken or
  // the schema is not well formed.
  template <class T, class O>
  void modality(std::string name) {
    add(ComponentKind::modality, std::move(name), O::schema(), maker<Modality, T, O>());
  }
  template <class T, class O>
  void masker(std::string name) {
    add(ComponentKind::masker, std::move(name), O::schema(), maker<Masker, T, O>());
  }
  template <class T, class O>
  void encoder(std::string name) {
    add(ComponentKind::encoder, std::move(name), O::schema(), maker<Encoder, T, O, EncoderSetting>());
  }
  template <class T, class O>
  void projector(std::string name) {
    add(ComponentKind::projector, std::move(name), O::schema(), maker<Projector, T, O, ProjectorSetting>());
  }
  template <class T, class O>
  void predictor(std::string name) {
    add(ComponentKind::predictor, std::move(name), O::schema(), maker<Predictor, T, O, PredictorSetting>());
  }
  template <class T, class O>
  void objective(std::string name) {
    add(ComponentKind::objective, std::move(name), O::schema(), maker<Objective, T, O, ObjectiveSetting>());
  }

  const std::string& plugin() const { return plugin_; }
  const std::vector<Component>& components() const { return components_; }
  /// The component of this kind and name (without the plugin's); nullptr where there is none.
  const Component* find(ComponentKind kind, std::string_view name) const;

 private:
  template <class Interface, class T, class O, class... Setting>
  static Factory<Interface, Setting...> maker() {
    return [](const Value::Table& values, const Setting&... setting) -> std::shared_ptr<Interface> {
      return std::make_shared<T>(O::schema().parse(values), setting...);
    };
  }
  template <class O, class F>
  void add(ComponentKind kind, std::string name, Schema<O> schema, F factory) {
    append({kind, plugin_, std::move(name), std::make_shared<Schema<O>>(std::move(schema)), std::move(factory)});
  }
  /// PluginError if the name is taken or the schema is not well formed.
  void append(Component component);

  std::string plugin_;
  std::vector<Component> components_;
};

}  // namespace cairn
