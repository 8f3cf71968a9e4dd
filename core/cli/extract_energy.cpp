#include "cli/extract_energy.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numeric>

#include "cairn/error.h"
#include "checkpoint/row_file.h"
#include "cli/data_option.h"
#include "cli/opened_run.h"
#include "evaluate/energy.h"
#include "plugin/search.h"

namespace cairn::cli {

EnergyFacts extract_energy(const EnergyRequest& request, PluginLoader& loader) {
  std::vector<std::string> sets;
  if (!request.modality.empty())
    sets.push_back("modality.type=" +
                   Value(find_component(loader, ComponentKind::modality, request.modality).full_name()).text());
  sets.insert(sets.end(), request.sets.begin(), request.sets.end());
  if (!request.data.empty()) sets.push_back("modality.path=" + Value(request.data).text());
  const OpenedRun run =
      told_as_data(request.data, [&] { return open_run(request.source, sets, loader, request.device); });
  RowFile file(request.out, "token_energy", {{"source", run.checkpoint.string()}});
  EnergyFacts facts;
  double sum = 0.0;
  for (const Split part : request.parts) {
    const auto source = run.parts->modality->open(part, Purpose::evaluate);
    if (!source) continue;
    std::vector<std::int64_t> all(static_cast<std::size_t>(source->size()));
    std::iota(all.begin(), all.end(), 0);
    SampleReader reader(*run.parts->modality, *source, std::move(all), request.batch_size, run.experiment.seed);
    facts.unreadable +=
        reader.visit(request.device, request.workers, [&](const Batch& batch, std::span<const std::int64_t>) {
          const Energy energy = measure_energy(*run.parts, batch, {request.plans, run.experiment.seed});
          const double here = energy.of_sample.sum().item<double>();
          if (!std::isfinite(here))
            throw Error("the energy of a sample is not finite", run.checkpoint.string(),
                        "training has probably diverged: choose an earlier checkpoint");
          sum += here;
          file.append({{"energy", energy.of_sample},
                       {"token_energy", energy.of_token},
                       {"sample_id", batch.sample_id.cpu()},
                       {"label", batch.label.cpu()},
                       {"split", at::full({batch.size()}, part == Split::train ? 0 : 1, at::kByte)}});
        });
  }
  if (file.rows() == 0) throw DataError("there is no sample to score", request.data, "check --data and --split");
  facts.samples = file.rows();
  facts.mean = sum / static_cast<double>(facts.samples);
  facts.files = file.finish();
  return facts;
}

}  // namespace cairn::cli
