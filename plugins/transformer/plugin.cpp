#include "cairn/plugin.h"

#include "mlp.h"
#include "narrow.h"
#include "random.h"
#include "vit.h"
#include "windowed.h"

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::transformer;
  registry.encoder<Vit, VitOptions>("vit");
  registry.predictor<Narrow, NarrowOptions>("narrow");
  registry.predictor<Windowed, WindowedOptions>("windowed");
  registry.predictor<MlpPredictor, MlpOptions>("mlp");
  registry.projector<MlpProjector, ProjectorOptions>("mlp");
  registry.masker<RandomMasker, RandomOptions>("random");
}

}  // namespace

CAIRN_PLUGIN(transformer, "0.1.0", "Vision transformer, narrow and windowed predictors, MLP heads and random masks",
             enroll)
