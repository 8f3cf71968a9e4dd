#include "cairn/plugin.h"

#include "image_modality.h"
#include "multiblock.h"
#include "preprocessed.h"

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::image;
  registry.modality<FolderModality, FolderOptions>("folder");
  registry.modality<ListModality, ListOptions>("list");
  registry.modality<ShardsModality, ShardsOptions>("shards");
  registry.modality<CifarModality, CifarOptions>("cifar");
  registry.modality<IdxModality, IdxOptions>("idx");
  registry.modality<ShapesModality, ShapesOptions>("shapes");
  registry.modality<PreprocessedModality, PreprocessedOptions>("image");
  registry.masker<Multiblock, MultiblockOptions>("multiblock");
}

}  // namespace

CAIRN_PLUGIN(image, "0.1.0", "Pictures: folders, lists, tar shards, CIFAR, IDX, procedural shapes; I-JEPA's masks",
             enroll)
