#include "cairn/plugin.h"

#include "ecg_modality.h"

namespace cairn::ecg {
namespace {

void enroll(Registry& registry) {
  registry.modality<Drawn, DrawnOptions>("drawn");
  registry.modality<Records, RecordsOptions>("records");
}

}  // namespace
}  // namespace cairn::ecg

CAIRN_PLUGIN(ecg, "0.1.0", "Electrocardiograms: WFDB recordings, and drawn ones", cairn::ecg::enroll)
