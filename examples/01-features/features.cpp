// You should see what was loaded, and the shapes of the features of one file:
//
//   $ build/bin/example_features runs/quickstart picture.jpg
//   loaded    teacher of runs/quickstart/checkpoints/step-00000300
//   …
//   tokens [1, 64, 192], pooled [1, 192]
#include <cairn/inference.h>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 3) return std::cerr << "usage: example_features CHECKPOINT FILE\n", 2;
  const cairn::Model model(argv[1]);
  const cairn::ModelFeatures features = model(std::filesystem::path(argv[2]));
  std::cout << model.report() << "tokens " << features.last_hidden_state.sizes() << ", pooled "
            << features.pooled.sizes() << "\nsum " << features.pooled.sum().item<double>() << '\n';
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
