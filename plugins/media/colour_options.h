#pragma once

#include <type_traits>

#include "cairn/options.h"
#include "media/colour.h"

namespace cairn::media {

/// Options that say what happens to the colours of a view.
template <class O>
void add_colour_options(Schema<O>& s) {
  const auto option = [&](const char* name, auto Colouring::*member, const char* doc) -> OptionSpec& {
    using T = std::remove_reference_t<decltype(O{}.*member)>;
    return s.option(name, static_cast<T O::*>(member), doc);
  };
  option("jitter", &Colouring::jitter, "strength of brightness, contrast, saturation and hue jitter").range(0, 10);
  option("jitter_probability", &Colouring::jitter_probability, "probability of the jitter, where it has any strength")
      .range(0, 1);
  option("grey", &Colouring::grey, "probability that a view loses its colour").range(0, 1);
  option("blur", &Colouring::blur, "probability of a Gaussian blur").range(0, 1);
  option("blur_sigma", &Colouring::blur_sigma, "deviation of the blur in pixels").range(0.01, 100);
  option("solarise", &Colouring::solarise, "probability that values from 128 on are inverted").range(0, 1);
}

}  // namespace cairn::media
