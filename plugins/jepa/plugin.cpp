#include "cairn/plugin.h"

#include "latent_regression.h"
#include "sigreg.h"

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::jepa;
  registry.objective<LatentRegression, LatentRegressionOptions>("latent_regression");
  registry.objective<Sigreg, SigregOptions>("sigreg");
  registry.objective<VarianceCovariance, VarianceCovarianceOptions>("variance_covariance");
}

}  // namespace

CAIRN_PLUGIN(jepa, "0.1.0", "Objectives of the joint-embedding predictive architectures", enroll)
