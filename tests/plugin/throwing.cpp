#include <stdexcept>

#include "cairn/cairn.h"

namespace {

void enroll(cairn::Registry&) { throw std::runtime_error("no licence today"); }

}  // namespace

CAIRN_PLUGIN(throwing, "0.1.0", "Throws when it is enrolled", enroll)
