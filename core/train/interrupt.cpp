#include "train/interrupt.h"

#include <csignal>

namespace cairn {
namespace {

volatile std::sig_atomic_t stop_requested = 0;
int guards = 0;
void (*was_hangup)(int) = SIG_DFL;  // ignored below nohup, and to stay so

void on_signal(int signal) {
  stop_requested = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  if (guards++ > 0) return;
  stop_requested = 0;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  was_hangup = std::signal(SIGHUP, on_signal);
  if (was_hangup == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
}

InterruptGuard::~InterruptGuard() {
  if (--guards > 0) return;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGHUP, was_hangup);
  std::signal(SIGPIPE, SIG_DFL);
}

bool InterruptGuard::requested() const { return stop_requested != 0; }

}  // namespace cairn
