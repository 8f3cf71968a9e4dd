#include "cairn/plugin.h"

#include "tico.h"

namespace cairn::tico {
namespace {

void enroll(Registry& registry) { registry.objective<Tico, TicoOptions>("tico"); }

}  // namespace
}  // namespace cairn::tico

CAIRN_PLUGIN(tico, "0.1.0", "The loss of TiCo, ported from its paper", cairn::tico::enroll)
