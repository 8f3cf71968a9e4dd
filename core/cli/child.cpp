#include "cli/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "cairn/error.h"

namespace cairn {
namespace {

constexpr std::chrono::milliseconds kPoll(50);
constexpr const char* kParent = "CAIRN_PARENT";  // in the environment of a child: the id of the process it follows

/// posix_spawn's attributes: a process group of its own, so that ^C in a terminal reaches the parent alone.
class OwnGroup {
 public:
  OwnGroup() {
    ::posix_spawnattr_init(&attributes_);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);
  }
  OwnGroup(const OwnGroup&) = delete;
  OwnGroup& operator=(const OwnGroup&) = delete;
  ~OwnGroup() { ::posix_spawnattr_destroy(&attributes_); }

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

/// posix_spawn's list of files to open in the child.
class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

[[noreturn]] void throw_lost(const Child& child) {
  throw Error(fmt::format("cannot wait for training process {}: {}", child.id, std::strerror(errno)), "",
              "go on with the same command");
}

}  // namespace

Child start_self(const std::vector<std::string>& words, const std::filesystem::path& log) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> line = {program};
  line.insert(line.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  arguments.reserve(line.size() + 1);
  for (std::string& word : line) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  FileActions actions;
  ::posix_spawn_file_actions_addopen(actions.get(), STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::posix_spawn_file_actions_adddup2(actions.get(), STDOUT_FILENO, STDERR_FILENO);
  const OwnGroup group;
  std::signal(SIGCHLD, SIG_DFL);  // ignored, as it may be inherited, it would lose the exit codes
  std::string parent = kParent + ("=" + std::to_string(::getpid()));
  std::vector<char*> environment = {parent.data()};
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  environment.push_back(nullptr);
  Child child;
  const int failure =
      ::posix_spawn(&child.id, program.c_str(), actions.get(), group.get(), arguments.data(), environment.data());
  if (failure != 0) throw Error(std::string("cannot start a training: ") + std::strerror(failure), log.string());
  return child;
}

std::optional<std::size_t> wait_for_one(std::vector<Child>& children, const InterruptGuard& interrupt) {
  while (std::any_of(children.begin(), children.end(), [](const Child& child) { return !child.code; })) {
    for (std::size_t i = 0; i < children.size(); ++i) {
      Child& child = children[i];
      if (child.code) continue;
      int status = 0;
      const pid_t ended = ::waitpid(child.id, &status, WNOHANG);
      if (ended < 0 && errno != EINTR) throw_lost(child);
      if (ended == child.id) {
        child.code = exit_code(status);
        return i;
      }
      if (interrupt.requested() && !std::exchange(child.asked_to_stop, true)) ::kill(child.id, SIGINT);
    }
    std::this_thread::sleep_for(kPoll);
  }
  return std::nullopt;
}

void follow_parent() {
  const char* parent = std::getenv(kParent);
  if (parent == nullptr) return;
  ::prctl(PR_SET_PDEATHSIG, SIGINT);
  const bool is_alone = std::to_string(::getppid()) != parent;  // it ended before the line above
  ::unsetenv(kParent);
  if (is_alone) std::raise(SIGINT);
}

}  // namespace cairn
