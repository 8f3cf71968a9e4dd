#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "cairn/error.h"
#include "checkpoint/run_lock.h"
#include "support/temporary_folder.h"

using cairn::RunLock;
using cairn::test::TemporaryFolder;

namespace {

std::string lock_refusal(const std::filesystem::path& folder) {
  try {
    const RunLock lock(folder);
  } catch (const cairn::Error& error) {
    return error.what();
  }
  return "";
}

bool is_in_use(const std::filesystem::path& folder) {
  try {
    const RunLock lock(folder);
  } catch (const cairn::RunInUseError&) {
    return true;
  } catch (const cairn::Error&) {
  }
  return false;
}

}  // namespace

TEST_CASE("a run folder has one owner, who is named") {
  const TemporaryFolder folder;
  {
    const RunLock lock(folder.path());
    const std::string text = lock_refusal(folder.path());
    CHECK(text.find("run folder " + folder.path().string() + " is in use by process ") == 0);
    CHECK(text.find("process " + std::to_string(::getpid()) + " on ") != std::string::npos);
  }
  CHECK(lock_refusal(folder.path()).empty());
}

TEST_CASE("a moved lock holds, and ends with its new owner") {
  const TemporaryFolder folder;
  {
    RunLock first(folder.path());
    const RunLock second(std::move(first));
    CHECK_FALSE(lock_refusal(folder.path()).empty());
  }
  CHECK(lock_refusal(folder.path()).empty());
}

TEST_CASE("a lock ends with kill -9 of its process") {
  const TemporaryFolder folder;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const RunLock lock(folder.path());
    [[maybe_unused]] const ssize_t written = ::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(lock_refusal(folder.path()).find("process " + std::to_string(child)) != std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(lock_refusal(folder.path()).empty());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a missing run folder is an error other than one in use") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(RunLock(folder / "missing"), cairn::Error);
  CHECK_FALSE(is_in_use(folder / "missing"));
  CHECK_FALSE(is_in_use(folder.path()));
  const RunLock lock(folder.path());
  CHECK(is_in_use(folder.path()));
}
