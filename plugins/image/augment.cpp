#include "augment.h"

#include <algorithm>

namespace cairn::image {

void augment(Picture& picture, const ViewRecipe& recipe, Rng& rng) {
  if (recipe.flip > 0 && rng.chance(recipe.flip)) flip(picture);
  media::colour(picture, recipe, rng);
}

void flip(Picture& picture) {
  for (int y = 0; y < picture.height; ++y) {
    std::uint8_t* row = picture.row(y);
    for (int left = 0, right = picture.width - 1; left < right; ++left, --right)
      std::swap_ranges(row + 3 * left, row + 3 * left + 3, row + 3 * right);
  }
}

}  // namespace cairn::image
