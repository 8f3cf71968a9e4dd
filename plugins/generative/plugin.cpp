#include "cairn/plugin.h"

#include "pixel_regression.h"

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::generative;
  registry.objective<PixelRegression, PixelRegressionOptions>("pixel_regression");
}

}  // namespace

CAIRN_PLUGIN(generative, "0.1.0", "Objectives that predict the input itself: MAE, VideoMAE, AudioMAE, SimMIM", enroll)
