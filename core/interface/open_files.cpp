#include "interface/open_files.h"

namespace cairn {
namespace {

constexpr std::size_t kMostOpen = 256;  // of the 1024 that a process may usually have

}  // namespace

std::shared_ptr<const DataFile> OpenFiles::get(std::size_t number) const {
  const std::lock_guard lock(mutex_);
  if (files_[number]) return files_[number];
  if (open_.size() == kMostOpen) {
    files_[open_.front()].reset();
    open_.pop_front();
  }
  files_[number] = std::make_shared<const DataFile>(paths_[number]);
  open_.push_back(number);
  return files_[number];
}

}  // namespace cairn
