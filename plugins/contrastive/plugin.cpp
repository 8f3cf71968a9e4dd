#include "cairn/plugin.h"

#include "clusters.h"
#include "instances.h"
#include "maskers.h"
#include "prototypes.h"
#include "redundancy.h"

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::contrastive;
  registry.masker<Cross, CrossOptions>("cross");
  registry.masker<LocalToGlobal, LocalToGlobalOptions>("local_to_global");
  registry.projector<Prototypes, PrototypesOptions>("prototypes");
  registry.objective<NtXent, NtXentOptions>("nt_xent");
  registry.objective<InfoNce, InfoNceOptions>("info_nce");
  registry.objective<CosineRegression, CosineOptions>("cosine_regression");
  registry.objective<BarlowTwins, BarlowTwinsOptions>("barlow_twins");
  registry.objective<Vicreg, VicregOptions>("vicreg");
  registry.objective<Dino, DinoOptions>("dino");
  registry.objective<Swav, SwavOptions>("swav");
}

}  // namespace

CAIRN_PLUGIN(contrastive, "0.1.0", "SimCLR, MoCo v3, BYOL, SimSiam, Barlow Twins, VICReg, DINO and SwAV", enroll)
