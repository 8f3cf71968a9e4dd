// The one idea of a modality: tokenizer() and views() declare, before there is data, what prepare() will give. Here a
// token is a stretch of time of all leads, [leads,patch] values.
#include "ecg_modality.h"

#include <ATen/ATen.h>

namespace cairn::ecg {

EcgModality::EcgModality(const CutOptions& cut) : cut_(cut) { views(Purpose::pretrain); }

TokenizerSpec EcgModality::tokenizer() const { return {cut_.leads, {cut_.patch}, {Axis::time}}; }

std::vector<ViewLayout> EcgModality::views(Purpose purpose) const {
  const std::size_t count = purpose == Purpose::pretrain ? static_cast<std::size_t>(cut_.views) : 1;
  return std::vector<ViewLayout>(count, {tokenizer().grid({cut_.length}), ViewRole::global});
}

// Electrodes drift: what counts is the form, not the offset and not the gain.
void EcgModality::prepare(Batch& batch, Purpose, Rng&) const {
  for (View& view : batch.views) {
    const at::Tensor centred = view.data - view.data.mean(-1, /*keepdim=*/true);
    view.data = centred / centred.std(-1, /*unbiased=*/false, /*keepdim=*/true).clamp_min(1e-3);
  }
}

}  // namespace cairn::ecg
