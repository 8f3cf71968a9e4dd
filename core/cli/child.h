#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/interrupt.h"

namespace cairn {

/// A process that was started: its id, and its exit code once it has ended (128 + signal where one ended it).
struct Child {
  pid_t id = 0;
  std::optional<int> code;
  bool asked_to_stop = false;
};

/// Starts this very program with `words` as arguments, in a process group of its own, output and errors to the end of
/// `log`. Whatever ends this process, the child is then asked to stop with a checkpoint. Error if that fails.
Child start_self(const std::vector<std::string>& words, const std::filesystem::path& log);

/// Waits until one of the children ends and notes its code; returns its number, or nothing when none is running. When a
/// stop is requested meanwhile, each child is asked once to stop with a checkpoint.
std::optional<std::size_t> wait_for_one(std::vector<Child>& children, const InterruptGuard& interrupt);

/// To be called first by a program that start_self() may have started: lets it follow its parent.
void follow_parent();

}  // namespace cairn
