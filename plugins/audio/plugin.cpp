#include "cairn/plugin.h"

#include "audio_modality.h"
#include "masks.h"
#include "published.h"

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::audio;
  registry.modality<ClipsModality, ClipsOptions>("clips");
  registry.modality<ListModality, ListOptions>("list");
  registry.modality<ShardsModality, ShardsOptions>("shards");
  registry.modality<TonesModality, TonesOptions>("tones");
  registry.modality<PublishedModality, PublishedOptions>("audio");
  registry.masker<Multiblock, MultiblockOptions>("multiblock");
  registry.masker<TimeFrequency, TimeFrequencyOptions>("time_frequency");
  registry.masker<Curriculum, CurriculumOptions>("curriculum");
}

}  // namespace

CAIRN_PLUGIN(audio, "0.1.0", "Sound: files, lists, tar shards, procedural tones; filter banks; A-JEPA's masks", enroll)
