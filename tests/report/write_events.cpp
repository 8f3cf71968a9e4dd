// Writes an event file as a run and its resume would: write_events FOLDER. Read back by tensorboard_check.py.
#include <cmath>

#include "report/tensorboard.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  cairn::TensorBoardLog first(argv[1], std::nullopt);
  for (std::int64_t step = 10; step <= 100; step += 10)
    first.write(step, {{"loss", 1.0 / static_cast<double>(step)}, {"probe/linear", 0.5}, {"bad", std::nan("")}});
  cairn::TensorBoardLog resumed(argv[1], 60);
  for (std::int64_t step = 70; step <= 80; step += 10) resumed.write(step, {{"loss", -static_cast<double>(step)}});
  resumed.write(std::int64_t{1} << 40, {{"späť/丸", 3.25}});
}
