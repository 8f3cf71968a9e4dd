#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "checkpoint/atomic_folder.h"
#include "checkpoint/step_folders.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using namespace cairn;

namespace {

void save(const fs::path& checkpoints, std::int64_t step) {
  fs::create_directories(step_folder(checkpoints, step));
  test::write_text(step_folder(checkpoints, step) / "state.json", "{}");
}

}  // namespace

TEST_CASE("the newest checkpoint is read, or the next one where that is removed meanwhile") {
  const test::TemporaryFolder folder;
  std::vector<fs::path> read;
  CHECK_FALSE(read_newest(folder.path(), [&](const fs::path& newest) { read.push_back(newest); }));
  save(folder.path(), 5);
  save(folder.path(), 10);
  CHECK(read_newest(folder.path(), [&](const fs::path& newest) {
    read.push_back(newest);
    if (newest != step_folder(folder.path(), 10)) return;
    save(folder.path(), 15);
    remove_folder(newest);
    throw Error("cannot read");
  }));
  CHECK(read == std::vector{step_folder(folder.path(), 10), step_folder(folder.path(), 15)});
}

TEST_CASE("a newest checkpoint that is there but cannot be read is an error") {
  const test::TemporaryFolder folder;
  save(folder.path(), 5);
  CHECK_THROWS_WITH(read_newest(folder.path(), [](const fs::path&) { throw Error("damaged"); }), "damaged");
}
