#pragma once

#include <cstdint>
#include <vector>

#include "cairn/batch.h"
#include "cairn/nn/positions.h"
#include "cairn/options.h"

namespace cairn::transformer {

/// How tokens know where they stand: a fixed table that is added (by axis, or VideoMAE's by running number), a learned
/// one, or rotations of queries and keys.
enum class Positions : std::uint8_t { sincos, sinusoid, learned, rotary };

/// Which grid rotary places are counted on: the view's own, or the first view's whatever the view, as transformers
/// does for V-JEPA 2.
enum class Numbering : std::uint8_t { view, first };

/// What the options say of places, and the shape they are for.
struct PlaceSetting {
  Positions form = Positions::sincos;
  nn::PositionLayout layout;
  nn::RotaryLayout rotary = nn::RotaryLayout::paired;
  std::int64_t rotary_grid = 0;
  Numbering numbering = Numbering::view;
  nn::PositionResize resize;
  std::int64_t width = 0;
  std::int64_t head_width = 0;
  std::int64_t leading = 0;  // tokens before the patches that have learned positions too
};

/// Adds the options of places to the schema of an options struct with these members.
template <class O>
void add_place_options(Schema<O>& s) {
  s.option("positions", &O::positions,
           {{"sincos", Positions::sincos},
            {"sinusoid", Positions::sinusoid},
            {"learned", Positions::learned},
            {"rotary", Positions::rotary}},
           "fixed sines and cosines by axis; VideoMAE's by running number; a learned table for the first view's grid, "
           "resized for others; or queries and keys turned by their place");
  s.option("position_order", &O::position_order, {{"xy", nn::PositionOrder::xy}, {"yx", nn::PositionOrder::yx}},
           "first half of a sincos position on two axes: x as in I-JEPA, or y as in V-JEPA");
  s.option("uniform_power", &O::uniform_power,
           "equal shares of a sincos position for three axes; false: half for time");
  s.option("rotary_layout", &O::rotary_layout,
           {{"paired", nn::RotaryLayout::paired}, {"tiled", nn::RotaryLayout::tiled}},
           "rotary angles: one for each pair of features, or as the weights of V-JEPA 2 were trained");
  s.option(
       "rotary_grid", &O::rotary_grid,
       "rows and columns over which rotary places are spread, for other resolutions (V-JEPA 2.1: 16); 0: as they are")
      .range(0, 4096);
  s.option("rotary_numbering", &O::rotary_numbering, {{"view", Numbering::view}, {"first", Numbering::first}},
           "rotary places of the view's own grid; or as if it were the first view's, as transformers has V-JEPA 2");
}

/// The places of tokens in one network. One thread at a time.
class Places {
 public:
  /// ConfigError if the form does not fit the views, or learned positions know no view.
  Places(const PlaceSetting& setting, const std::vector<ViewLayout>& views);

  /// What is added to tokens, [1,N,D] or [B,K,D]; undefined where places are rotations.
  at::Tensor added(const TokenGrid& grid, const TokenSet& tokens, at::Device device);
  /// What is added to the leading tokens, [1,S,D]; undefined where they have no positions.
  at::Tensor leading() const;
  /// How queries and keys turn, behind `fixed` tokens without a place; undefined where places are added.
  nn::Rotation rotation(const TokenGrid& grid, const TokenSet& tokens, std::int64_t fixed, at::Device device);

  at::Tensor table;  // learned: [1,S+N,D], for the owner to register as a parameter and to fill

 private:
  PlaceSetting setting_;
  nn::PositionTables fixed_;
  nn::RotaryTables rotary_;
  TokenGrid made_for_;
};

}  // namespace cairn::transformer
