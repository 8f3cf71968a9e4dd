#include "cairn/plugin.h"

#include "convnext.h"
#include "resnet.h"

namespace {

void enroll(cairn::Registry& registry) {
  using namespace cairn::convnet;
  registry.encoder<Resnet, ResnetOptions>("resnet");
  registry.encoder<Convnext, ConvnextOptions>("convnext");
}

}  // namespace

CAIRN_PLUGIN(convnet, "0.1.0", "Convolutional encoders with the weights' names of torchvision", enroll)
