#pragma once

#include <ATen/Parallel.h>

namespace cairn::test {

/// So many compute threads while it lives.
class Threads {
 public:
  explicit Threads(int count) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_ = at::get_num_threads();
};

}  // namespace cairn::test
