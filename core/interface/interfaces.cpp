#include "cairn/error.h"
#include "cairn/masker.h"
#include "cairn/modality.h"
#include "cairn/objective.h"
#include "cairn/predictor.h"
#include "cairn/token_grid.h"

namespace cairn {

const char* axis_name(Axis axis) {
  static constexpr const char* kNames[] = {"time", "height", "width", "frequency", "channel", "other"};
  return kNames[static_cast<int>(axis)];
}

std::int64_t TokenGrid::count() const {
  std::int64_t product = 1;
  for (const std::int64_t n : extent) product *= n;
  return product;
}

std::string TokenGrid::text() const {
  std::string out;
  for (const std::int64_t n : extent) out += (out.empty() ? "" : " x ") + std::to_string(n);
  return out;
}

std::int64_t TokenizerSpec::values() const {
  std::int64_t product = channels;
  for (const std::int64_t n : patch) product *= n;
  return product;
}

TokenGrid TokenizerSpec::grid(const std::vector<std::int64_t>& size) const {
  TokenGrid grid{{}, axes};
  if (size.size() != patch.size() || size.size() != axes.size())
    throw ConfigError(
        "patch",
        "patches of " + std::to_string(patch.size()) + " axes cannot divide data of " + std::to_string(size.size()),
        "give one number for each axis");
  for (std::size_t i = 0; i < size.size(); ++i) {
    if (patch[i] < 1)
      throw ConfigError("patch", "a patch of " + std::to_string(patch[i]) + " has no extent", "set it to at least 1");
    if (size[i] % patch[i] != 0 || size[i] < patch[i])
      throw ConfigError("patch",
                        "a patch of " + std::to_string(patch[i]) + " does not divide the " + axis_name(axes[i]) +
                            " of " + std::to_string(size[i]),
                        "choose a size that is a multiple of the patch");
    grid.extent.push_back(size[i] / patch[i]);
  }
  return grid;
}

Encoder::Encoder() = default;
Encoder::~Encoder() = default;
bool Encoder::can_hide_tokens() const { return true; }
bool Encoder::can_pack() const { return false; }
void Encoder::check(const Context&) const {}
bool Encoder::can_take(const TokenizerSpec&) const { return false; }

Predictor::Predictor() = default;
Predictor::~Predictor() = default;
bool Predictor::can_pack() const { return false; }
void Predictor::check(const Context&, const Query&) const {}
Projector::Projector() = default;
Projector::~Projector() = default;
Masker::~Masker() = default;
SampleSource::~SampleSource() = default;

ReadOrder SampleSource::read_order() const { return {}; }

Objective::Objective() = default;
Objective::~Objective() = default;
at::Tensor Objective::refine(const at::Tensor& target) { return target; }
at::Tensor Objective::restore(const at::Tensor& prediction, const at::Tensor&) const { return prediction; }
Reduction Objective::reduction() const { return Reduction::local; }
void Objective::settle(const StepView&) {}
bool Objective::is_steady(const Progress&) const { return false; }

Modality::~Modality() = default;
std::optional<Companion> Modality::companion() const { return std::nullopt; }

Batch Modality::collate(const std::vector<Sample>& samples, Purpose purpose) const {
  Batch batch;
  const auto layouts = views(purpose);
  for (std::size_t v = 0; v < layouts.size(); ++v) {
    std::vector<at::Tensor> rows;
    rows.reserve(samples.size());
    for (const Sample& sample : samples) {
      if (sample.views.size() != layouts.size())
        throw Error("a sample has " + std::to_string(sample.views.size()) + " views where views() declares " +
                    std::to_string(layouts.size()));
      rows.push_back(sample.views[v]);
    }
    batch.views.push_back({at::stack(rows), layouts[v].grid, layouts[v].role});
  }
  std::vector<std::int64_t> ids, labels;
  for (const Sample& sample : samples) {
    ids.push_back(sample.id);
    labels.push_back(sample.label);
  }
  batch.sample_id = at::tensor(ids, at::kLong);
  batch.label = at::tensor(labels, at::kLong);
  for (const auto& [name, first] : samples.front().extra) {
    std::vector<at::Tensor> rows;
    for (const Sample& sample : samples) {
      const auto own = sample.extra.find(name);
      if (own == sample.extra.end())
        throw Error("a sample of the batch has no '" + name + "' where another has one", "Sample::extra",
                    "give it to every sample or to none");
      rows.push_back(own->second);
    }
    batch.extra[name] = at::stack(rows);
  }
  return batch;
}

void Modality::prepare(Batch&, Purpose, Rng&) const {}

at::Tensor Modality::patches(const View& view) const { return patchify(view.data); }

at::Tensor Modality::display(const View& view) const {
  const at::Tensor rows = view.data.detach().to(at::kFloat).flatten(1);
  const at::Tensor low = rows.amin(1, true), range = (rows.amax(1, true) - low).clamp_min(1e-6);
  return ((rows - low) / range).reshape(view.data.sizes());
}

std::optional<std::filesystem::path> Modality::render(const Batch&, int, std::int64_t,
                                                      const std::filesystem::path&) const {
  return std::nullopt;
}

at::Tensor Modality::unpatch(const at::Tensor& patches, const TokenGrid& grid) const {
  const TokenizerSpec spec = tokenizer();
  const auto axes = static_cast<std::int64_t>(spec.patch.size());
  std::vector<std::int64_t> split = {patches.size(0)}, order = {0, 1 + 2 * axes};
  std::vector<std::int64_t> whole = {patches.size(0), spec.channels};
  split.insert(split.end(), grid.extent.begin(), grid.extent.end());
  split.insert(split.end(), spec.patch.begin(), spec.patch.end());
  split.push_back(spec.channels);
  for (std::int64_t a = 0; a < axes; ++a) {
    order.push_back(1 + a);
    order.push_back(1 + axes + a);
    whole.push_back(grid.extent.at(static_cast<std::size_t>(a)) * spec.patch[static_cast<std::size_t>(a)]);
  }
  return patches.reshape(split).permute(order).reshape(whole);
}

at::Tensor Modality::patchify(const at::Tensor& data) const {
  const TokenizerSpec spec = tokenizer();
  const auto axes = static_cast<std::int64_t>(spec.patch.size());
  std::vector<std::int64_t> split = {data.size(0), data.size(1)};
  std::vector<std::int64_t> order = {0};
  for (std::int64_t a = 0; a < axes; ++a) {
    split.push_back(data.size(2 + a) / spec.patch[static_cast<std::size_t>(a)]);
    split.push_back(spec.patch[static_cast<std::size_t>(a)]);
    order.push_back(2 + 2 * a);
  }
  for (std::int64_t a = 0; a < axes; ++a) order.push_back(3 + 2 * a);
  order.push_back(1);
  return data.reshape(split).permute(order).reshape({data.size(0), -1, spec.values()});
}

}  // namespace cairn
