#include "cairn/plugin.h"

#include "tabular_modality.h"

namespace cairn::tabular {
namespace {

void enroll(Registry& registry) {
  registry.modality<Drawn, DrawnOptions>("drawn");
  registry.modality<Csv, CsvOptions>("csv");
}

}  // namespace
}  // namespace cairn::tabular

CAIRN_PLUGIN(tabular, "0.1.0", "Rows of tables, a token for each column", cairn::tabular::enroll)
