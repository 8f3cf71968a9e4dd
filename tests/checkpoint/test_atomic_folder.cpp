#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <string>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using cairn::AtomicFolder;
using cairn::FileMode;
using cairn::FileWriter;
using cairn::test::read_text;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;

namespace {

std::size_t entries_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

std::string host() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

// A process that certainly is none: that of a child that has ended and was waited for.
std::string dead_process(const std::string& host_name = host()) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return std::to_string(child) + "@" + host_name;
}

void write_version(const fs::path& target, const std::string& version) {
  AtomicFolder folder(target);
  folder.write_file("first", version);
  folder.write_file("second", version);
  folder.commit();
}

// Runs `work` in a child whose files may not exceed `bytes`; returns the message of the Error it ends with.
template <typename Work>
std::string message_under_limit(const fs::path& result, rlim_t bytes, Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    cairn::ignore_file_size_signal();
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    const rlimit small{bytes, limit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    std::string message = "no error";
    try {
      work();
    } catch (const cairn::Error& error) {
      message = error.what();
    }
    ::setrlimit(RLIMIT_FSIZE, &limit);
    write_text(result, message);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? read_text(result) : "ended by signal " + std::to_string(WTERMSIG(status));
}

}  // namespace

TEST_CASE("a folder appears with commit, whole") {
  const TemporaryFolder parent;
  AtomicFolder folder(parent / "step-1");
  folder.write_file("weights", "abc");
  CHECK_FALSE(fs::exists(parent / "step-1"));
  folder.commit();
  CHECK(read_text(parent / "step-1/weights") == "abc");
  CHECK(entries_in(parent.path()) == 1);
  CHECK_THROWS_AS(folder.commit(), cairn::Error);
}

TEST_CASE("a folder that is not committed leaves nothing") {
  const TemporaryFolder parent;
  { AtomicFolder(parent / "step-1").write_file("weights", "abc"); }
  CHECK(entries_in(parent.path()) == 0);
}

TEST_CASE("a folder of the same name is replaced") {
  const TemporaryFolder parent;
  write_version(parent / "best", "old");
  write_version(parent / "best/", "new");
  CHECK(read_text(parent / "best/first") == "new");
  CHECK(entries_in(parent.path()) == 1);
}

TEST_CASE("missing parents are made; a parent that is a file is an error") {
  const TemporaryFolder parent;
  write_version(parent / "a/b/step-1", "x");
  CHECK(fs::exists(parent / "a/b/step-1/second"));
  write_text(parent / "file", "");
  CHECK_THROWS_AS(AtomicFolder(parent / "file/step-1"), cairn::Error);
}

TEST_CASE("leftovers of dead processes go, those of living ones stay") {
  const TemporaryFolder parent;
  const std::string dead = dead_process();
  const std::string living = std::to_string(::getppid()) + "@" + host();
  for (const std::string& name : {"step-1.tmp-" + dead, "step-2.gone-" + dead, "step-3.tmp-" + living}) {
    fs::create_directory(parent / name);
    write_text(parent / (name + "/weights"), "x");
  }
  write_text(parent / "run.json.tmp-not_a_number", "x");
  const AtomicFolder folder(parent / "step-4");
  CHECK_FALSE(fs::exists(parent / ("step-1.tmp-" + dead)));
  CHECK_FALSE(fs::exists(parent / ("step-2.gone-" + dead)));
  CHECK(fs::exists(parent / ("step-3.tmp-" + living + "/weights")));
  CHECK(fs::exists(parent / "run.json.tmp-not_a_number"));
}

TEST_CASE("what another host writes stays until it is an hour old") {
  const TemporaryFolder parent;
  const fs::path fresh = parent / ("step-1.tmp-" + dead_process("elsewhere"));
  const fs::path old = parent / ("step-2.tmp-" + dead_process("elsewhere"));
  for (const fs::path& folder : {fresh, old}) fs::create_directory(folder);
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(2));
  cairn::remove_leftovers(parent.path());
  CHECK(fs::exists(fresh));
  CHECK_FALSE(fs::exists(old));
}

TEST_CASE("a replacement that was interrupted between its renames is undone") {
  // Names of former versions tell no host; a container that is started anew has another one.
  const std::string dead = dead_process();
  for (const std::string& owner : {dead, dead.substr(0, dead.find('@')), dead_process("elsewhere")}) {
    const TemporaryFolder parent;
    fs::create_directory(parent / ("best.old-" + owner));
    cairn::remove_leftovers(parent.path());
    CHECK(fs::exists(parent / "best"));
    CHECK(entries_in(parent.path()) == 1);
  }
}

TEST_CASE("kill -9 at any moment leaves the old or the new folder") {
  const TemporaryFolder parent;
  write_version(parent / "best", "0");
  for (int round = 0; round < 30; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int version = 1;; ++version) write_version(parent / "best", std::to_string(version));
    }
    ::usleep(static_cast<useconds_t>(500 + 700 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    cairn::remove_leftovers(parent.path());
    REQUIRE(entries_in(parent.path()) == 1);
    REQUIRE(read_text(parent / "best/first") == read_text(parent / "best/second"));
  }
}

TEST_CASE("a full disk is an error in plain words, and the old state stays") {
  const TemporaryFolder parent;
  const TemporaryFolder results;
  write_version(parent / "best", "old");
  const std::string message = message_under_limit(results / "message", 1000, [&] {
    AtomicFolder folder(parent / "best");
    folder.write_file("first", std::string(5000, 'x'));
    folder.commit();
  });
  CHECK(message.find("No space left on device while writing " + (parent / "best.tmp-").string()) == 0);
  CHECK_THAT(message, Catch::EndsWith("free some space and run the command again"));
  CHECK(read_text(parent / "best/first") == "old");
  CHECK(entries_in(parent.path()) == 1);
}

TEST_CASE("a file is replaced whole or not at all") {
  const TemporaryFolder folder;
  const TemporaryFolder results;
  cairn::write_file_atomically(folder / "run.json", "one");
  cairn::write_file_atomically(folder / "run.json", "two");
  const std::string message = message_under_limit(
      results / "message", 10, [&] { cairn::write_file_atomically(folder / "run.json", std::string(100, 'x')); });
  CHECK(message.find("No space left on device") == 0);
  CHECK(read_text(folder / "run.json") == "two");
  CHECK(entries_in(folder.path()) == 1);
}

TEST_CASE("the kernel's own full device reads the same") {
  if (!fs::exists("/dev/full")) return;
  FileWriter writer("/dev/full", FileMode::kReplace);
  CHECK_THROWS_WITH(writer.write("x"), Catch::StartsWith("No space left on device while writing /dev/full"));
}

TEST_CASE("a file writer creates, replaces and appends, and refuses what is wrong") {
  const TemporaryFolder folder;
  const fs::path path = folder / "log.txt";
  FileWriter first(path);
  first.write("one");
  first.close();
  CHECK_THROWS_AS(first.write("late"), cairn::Error);
  CHECK_THROWS_AS(first.sync(), cairn::Error);
  CHECK_THROWS_AS(FileWriter(path), cairn::Error);
  FileWriter(path, FileMode::kAppend).write(" two");
  CHECK(read_text(path) == "one two");
  FileWriter(path, FileMode::kReplace).write("three");
  CHECK(read_text(path) == "three");
  CHECK_THROWS_WITH(FileWriter(folder / "no/file"), Catch::Contains("No such file or directory"));
}

TEST_CASE("removing a folder removes all of it, and a missing one is fine") {
  const TemporaryFolder parent;
  write_version(parent / "step-1", "x");
  cairn::remove_folder(parent / "step-1");
  cairn::remove_folder(parent / "step-1");
  CHECK(entries_in(parent.path()) == 0);
}
