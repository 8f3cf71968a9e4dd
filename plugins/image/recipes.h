#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "augment.h"
#include "cairn/options.h"
#include "media/colour_options.h"

namespace cairn::image {

/// Lists of views as the methods' papers and repositories have them.
enum class Recipe : std::uint8_t {
  none,
  simclr,
  moco_v2,
  moco_v3,
  byol,
  simsiam,
  barlow_twins,
  vicreg,
  swav,
  dino,
  lejepa
};

/// Views drawn alike: an entry of [[modality.view]].
struct ViewOptions : Augmentation {
  std::int64_t count = 1;
  std::int64_t size = 0;
  bool local = false;
  static Schema<ViewOptions> schema();
};

/// The views of a published recipe; empty for `none`. Sources: google-research/simclr, facebookresearch moco, moco-v3,
/// simsiam, barlowtwins, vicreg, swav, dino; Grill et al. 2020, table 6; the example of LeJEPA's repository.
std::vector<ViewOptions> published_views(Recipe recipe);

/// Options that say how a view is drawn.
template <class O>
void add_augmentation_options(Schema<O>& s) {
  const auto option = [&](const char* name, auto Augmentation::*member, const char* doc) -> OptionSpec& {
    using T = std::remove_reference_t<decltype(O{}.*member)>;
    return s.option(name, static_cast<T O::*>(member), doc);
  };
  option("crop_scale", &Augmentation::crop_scale,
         "share of the area of a random crop; [1, 1]: whole picture, centre crop")
      .range(0.001, 1);
  option("crop_ratio", &Augmentation::crop_ratio, "aspect of a random crop, drawn log-uniformly").range(0.01, 100);
  option("flip", &Augmentation::flip, "probability of a horizontal flip").range(0, 1);
  media::add_colour_options(s);
}

}  // namespace cairn::image
