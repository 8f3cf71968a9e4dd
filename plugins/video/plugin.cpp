#include "cairn/plugin.h"

#include "masks.h"
#include "video_modality.h"

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::video;
  registry.modality<ClipsModality, ClipsOptions>("clips");
  registry.modality<ShardsModality, ShardsOptions>("shards");
  registry.modality<ListModality, ListOptions>("list");
  registry.modality<KeyframesModality, KeyframesOptions>("keyframes");
  registry.modality<MovingShapesModality, MovingShapesOptions>("moving_shapes");
  registry.modality<PreprocessedModality, PreprocessedOptions>("video");
  registry.masker<Multiblock, MultiblockOptions>("multiblock");
  registry.masker<Tube, TubeOptions>("tube");
  registry.masker<Causal, CausalOptions>("causal");
}

}  // namespace

CAIRN_PLUGIN(video, "0.1.0", "Videos: files, lists, tar shards, frames, procedural films; V-JEPA's masks", enroll)
