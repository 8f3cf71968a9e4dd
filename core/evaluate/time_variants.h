#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/modality.h"
#include "evaluate/features.h"

namespace cairn {

/// Two variants of each clip that only time tells apart, so that their labels cost nobody's work: does it run forward
/// ("arrow", Misra et al. 2016, Wei et al. 2018)? does it run at twice the speed ("speed", Benaim et al. 2020)?
class CAIRN_API TimeVariants {
 public:
  /// Error where `modality` has no time axis, or `kind` is not one of the two.
  TimeVariants(const std::string& kind, const Modality& modality);

  static bool is_kind(const std::string& kind) { return kind == "arrow" || kind == "speed"; }

  /// What the labels 0 and 1 are called.
  std::vector<std::string> names() const;
  /// The variant of a view that carries `label`. Both speeds have half the frames, about the same middle.
  View variant(const View& view, std::int64_t label) const;
  /// Features of every sample in both variants.
  Features collect(SampleReader& reader, const Embed& embed, at::Device device, std::int64_t workers) const;

 private:
  bool is_arrow_;
  const Modality& modality_;
  std::int64_t axis_ = 0;  // of time, in a view's data
};

}  // namespace cairn
