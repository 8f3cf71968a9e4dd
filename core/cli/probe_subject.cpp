#include "cli/probe_subject.h"

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "cli/data_option.h"
#include "config/toml_text.h"
#include "data/training_part.h"
#include "model/data_source.h"

namespace cairn::cli {
namespace {

/// The settings of weights without an experiment.
struct LooseSettings {
  Value::Table evaluate, train, top, modality_options;
  std::vector<std::string> modality;  // the same as text
};

LooseSettings sort_out(const std::vector<std::string>& sets) {
  LooseSettings sorted;
  for (const auto& [key, value] : parse_overrides(sets)) {
    const std::string table = key.substr(0, key.find('.'));
    const std::string name = key.size() > table.size() ? key.substr(table.size() + 1) : "";
    if (table == "modality" && !name.empty()) {
      sorted.modality.push_back(key + "=" + value.text());
      sorted.modality_options.emplace_back(name, value);
    } else if (table == "evaluate" && !name.empty()) {
      sorted.evaluate.emplace_back(name, value);
    } else if (table == "train" && !name.empty()) {
      sorted.train.emplace_back(name, value);
    } else if (key == "seed") {
      sorted.top.emplace_back(key, value);
    } else {
      throw ConfigError(key, "these weights come without an experiment that has this setting",
                        "settable are the tables modality, evaluate and train, and seed");
    }
  }
  return sorted;
}

template <class S>
S parse(const std::string& table, const Value::Table& values) {
  S settings;
  try {
    Schema<S>(S::schema()).read(values, &settings);
  } catch (const ConfigError& error) {
    throw ConfigError(table + error.key(), error.message(), error.advice());
  }
  return settings;
}

}  // namespace

ProbeSubject open_subject(const std::filesystem::path& source, const SourceOptions& options,
                          const ProbeRequest& request, PluginLoader& loader, at::Device device) {
  std::vector<std::string> sets;
  if (!request.modality.empty()) sets.push_back("modality.type=" + Value(request.modality).text());
  sets.insert(sets.end(), request.sets.begin(), request.sets.end());
  if (!request.data.empty()) sets.push_back("modality.path=" + Value(request.data).text());

  SourceOptions with_sets = options;
  with_sets.sets = sets;
  OpenedNetwork network = told_as_data(request.data, [&] { return open_network(source, with_sets, loader); });
  ProbeSubject subject;
  subject.checkpoint = network.checkpoint;
  subject.origin = network.origin;
  subject.encoder_type = network.model.encoder.component;
  if (network.experiment) {
    subject.features = network.run / "features";
    subject.seed = network.experiment->seed;
    subject.evaluate = network.experiment->evaluate;
    subject.train = network.experiment->train;
    subject.max_bad_share = max_bad_share(*network.experiment);
    subject.modality = open_data(network, {}, loader);
  } else {
    LooseSettings loose = sort_out(request.sets);
    set_option(loose.train, "steps", Value(std::int64_t{1}));  // required of experiments; no step is made here
    subject.seed = static_cast<std::uint64_t>(parse<TopSettings>("", loose.top).seed);
    subject.evaluate = parse<EvaluateSettings>("evaluate.", loose.evaluate);
    subject.train = parse<TrainSettings>("train.", loose.train);
    subject.max_bad_share = option_or(loose.modality_options, "max_bad_share", subject.max_bad_share);
    DataRequest data{std::nullopt, request.modality, loose.modality};
    if (!request.data.empty()) data.path = request.data;
    subject.modality = open_data(network, data, loader);
  }
  subject.branch = std::make_shared<Branch>(std::move(network.encoder), subject.encoder_type);
  subject.branch->to(device);
  subject.branch->eval();
  return subject;
}

}  // namespace cairn::cli
