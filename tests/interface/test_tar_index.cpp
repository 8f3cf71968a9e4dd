#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "cairn/shard_set.h"
#include "interface/tar_index.h"
#include "support/tar.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using cairn::DataError;
using cairn::FileFilter;
using cairn::index_path;
using cairn::ShardSet;
using cairn::Split;
using cairn::tar_index_text;
using cairn::test::kTarEnd;
using cairn::test::pax_record;
using cairn::test::read_text;
using cairn::test::tar_member;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using Catch::Contains;

namespace {

const FileFilter kIndexed{"image", {".jpg", ".png"}};

/// Everything that a set says of its samples.
std::string everything(const fs::path& path) {
  const auto set = cairn::open_shards(kIndexed, {path.string(), "", 0}, Split::train);
  std::string all;
  for (const std::string& name : set->classes()) all += name + "|";
  for (std::int64_t i = 0; i < set->size(); ++i) {
    const std::vector<std::uint8_t> bytes = set->read(i);
    all += set->name(i) + "=" + std::to_string(set->label(i)) + ":" + std::string(bytes.begin(), bytes.end()) + "\n";
  }
  return all;
}

/// Of a file's last change, since 1970.
std::int64_t nanoseconds(const fs::path& path) {
  struct stat found = {};
  REQUIRE(stat(path.c_str(), &found) == 0);
  return std::int64_t{1'000'000'000} * found.st_mtim.tv_sec + found.st_mtim.tv_nsec;
}

void write_index(const fs::path& tar) { write_text(index_path(tar), tar_index_text(tar)); }

/// A tar file in which only an index finds its way: its second header is damaged.
std::string only_indexed() {
  std::string bytes = tar_member("1.jpg", "one") + tar_member("2.jpg", "two") + tar_member("3.jpg", "three") + kTarEnd;
  bytes[1024 + 3] = 'X';
  return bytes;
}

constexpr const char* kItsIndex = "v1.2 3\njpg 512 3 1.jpg\njpg 1536 3 2.jpg\njpg 2560 5 3.jpg\n";

/// Whether an index is relied upon.
bool is_used(const TemporaryFolder& folder, const std::string& index, const std::string& tar = only_indexed()) {
  write_text(folder / "a.tar", tar);
  write_text(folder / "a.idx", index);
  try {
    everything(folder / "a.tar");
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace

TEST_CASE("index files: samples are the same with and without them", "[shards]") {
  const TemporaryFolder folder;
  const std::string longer = "f/" + std::string(150, 'g') + ".jpg", unicode = "größe.jpg";
  const std::vector<std::string> tars = {
      tar_member("1.jpg", "one") + tar_member("1.cls", "7\n") + tar_member("1.json", "{}") +
          tar_member("2.cls", " 0 ") + tar_member("2.jpg", std::string(5000, 't')) + tar_member("3.jpg", "") + kTarEnd,
      tar_member("./", "", '5') + tar_member("./2/", "", '5') + tar_member("./2/x.jpg", "a") +
          tar_member("./10/x.jpg", "b") + tar_member("./10/._x.jpg", "hidden") + tar_member("./10/y.jpg", "c") +
          tar_member("./10/.z.jpg", "hidden") + tar_member("./11/", "", '5'),
      tar_member("1.mask.png", "m") + tar_member("1.jpg", "p") + tar_member("1.cls", "big dog \\ 1") +
          tar_member("2.v1.jpg", "a") + tar_member("2.v2.jpg", "b") + tar_member("2.cls", "") +
          tar_member("README", "") + tar_member("dot.", "") + tar_member("d.e/3 4\t5.JPG", "c") +
          tar_member("back\\slash.jpg", "d") + kTarEnd,
      tar_member("x.jpg", "prefix", '0', std::string(90, 'd')) + tar_member("././@LongLink", longer + '\0', 'L') +
          tar_member(longer.substr(0, 100), "gnu") + tar_member("pax", pax_record("path", unicode), 'x') +
          tar_member("gr.jpg", "pax") + tar_member("global", pax_record("comment", "all"), 'g') +
          tar_member("link.jpg", "", '2') + tar_member("old.jpg", "v7", '\0') + tar_member("7.jpg", "7", '7') +
          tar_member("end.txt", "no sample") + kTarEnd,
  };
  for (const std::string& bytes : tars) {
    const fs::path tar = folder / "a.tar";
    fs::remove(index_path(tar));
    write_text(tar, bytes);
    const std::string walked = everything(tar);
    CHECK(std::count(walked.begin(), walked.end(), '\n') >= 3);
    write_index(tar);
    CHECK(everything(tar) == walked);
    // As DALI writes it, which knows of no labels.
    const std::string text = read_text(index_path(tar));
    write_text(index_path(tar), text.substr(0, text.find("\nlabels ") + 1));
    CHECK(everything(tar) == walked);
  }
}

TEST_CASE("index files: a tar file from the future has one as well", "[shards]") {
  const TemporaryFolder folder;
  write_text(folder / "a.tar", tar_member("1.jpg", "one") + tar_member("1.cls", "7") + kTarEnd);
  fs::last_write_time(folder / "a.tar", fs::file_time_type::clock::now() + std::chrono::hours(24));
  write_index(folder / "a.tar");
  std::string changed = read_text(index_path(folder / "a.tar"));
  write_text(index_path(folder / "a.tar"), changed.replace(changed.rfind("7"), 1, "8"));
  CHECK_THAT(everything(folder / "a.tar"), Contains("1.jpg=8:one"));
}

TEST_CASE("index files: what is written is what DALI reads", "[shards]") {
  const TemporaryFolder folder;
  write_text(folder / "a.tar", tar_member("d/", "", '5') + tar_member("d/1.seg.png", "s") +
                                   tar_member("d/1.cls", "4\n") + tar_member("._x", "") +
                                   tar_member("2.jpg", std::string(600, 'x')) + tar_member("a b", "") + kTarEnd);
  CHECK(tar_index_text(folder / "a.tar") ==
        "v1.2 3\nseg.png 1024 1 d/1.seg.png cls 2048 2 d/1.cls\njpg 3584 600 2.jpg\na\\040b 5120 0 a\\040b\n" +
            fmt::format("labels 1 6144 {}\n4\n", nanoseconds(folder / "a.tar")));
  CHECK(index_path("x/train-00.b.tar") == "x/train-00.b.idx");
  write_text(folder / "a.tar", tar_member("d/", "", '5') + kTarEnd);
  CHECK_THROWS_WITH(tar_index_text(folder / "a.tar"), Contains("holds no files"));
}

TEST_CASE("index files: headers are not read where an index fits", "[shards]") {
  const TemporaryFolder folder;
  CHECK(is_used(folder, kItsIndex));
  CHECK(everything(folder / "a.tar").ends_with("3.jpg=-1:three\n"));
  CHECK(is_used(folder, std::string(kItsIndex) + "what comes behind\n"));
  // Nor the members that hold labels, of which none may be cut off.
  std::string labelled = tar_member("1.jpg", "one") + tar_member("1.cls", "7") + tar_member("2.jpg", "two") + kTarEnd;
  write_text(folder / "b.tar", labelled);
  write_index(folder / "b.tar");
  labelled[1536] = '5';
  const auto written = fs::last_write_time(folder / "b.tar");
  write_text(folder / "b.tar", labelled);
  fs::last_write_time(folder / "b.tar", written);
  CHECK_THAT(everything(folder / "b.tar"), Contains("1.jpg=7:one"));
  // Of a tar file that was replaced, by an older one even, they are read where they lie.
  fs::last_write_time(folder / "b.tar", written - std::chrono::hours(1));
  CHECK_THAT(everything(folder / "b.tar"), Contains("1.jpg=5:one"));
  fs::last_write_time(folder / "b.tar", written);
  const std::string index = read_text(folder / "b.idx");
  write_text(folder / "b.idx", index.substr(0, index.size() - 1));
  CHECK_THAT(everything(folder / "b.tar"), Contains("1.jpg=5:one"));
}

TEST_CASE("index files: one that does not fit is not relied upon", "[shards]") {
  const TemporaryFolder folder;
  const std::string index = kItsIndex;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = index;
    return changed.replace(changed.find(from), from.size(), to);
  };
  REQUIRE(is_used(folder, index));
  for (const std::string& unfit : {std::string(),
                                   std::string("v1.2"),
                                   std::string("v1.2 x\n"),
                                   std::string("v1.2 0\n"),
                                   with("v1.2", "v1.3"),
                                   std::string("v1.1 3\njpg 512 3\njpg 1536 3\njpg 2560 5\n"),
                                   with("v1.2 3", "v1.2 4"),
                                   with("v1.2 3", "v1.2 2"),
                                   with("v1.2 3", "v1.2 99999999999999999999"),
                                   with("512 3", "513 3"),
                                   with("512 3", "1024 3"),
                                   with("512 3", "-512 3"),
                                   with("2560 5", "2560 6"),
                                   with("2560 5", "3072 5"),
                                   with("2560 5", "99999999744 5"),
                                   with("2560 5", "2560 18446744073709551615"),
                                   with("3.jpg", "4.jpg"),
                                   with("1.jpg", "\\1.jpg"),
                                   with("1.jpg", "\\999.jpg"),
                                   with("1.jpg", "1 .jpg"),
                                   with("jpg 1536 3 2.jpg\n", ""),
                                   with("1536", "2048"),
                                   index.substr(0, 40),
                                   index + "labels 1\n7\n",
                                   index + "labels\n"})
    CHECK_FALSE(is_used(folder, unfit));

  // Older than its tar file.
  REQUIRE(is_used(folder, index));
  fs::last_write_time(folder / "a.tar", fs::last_write_time(folder / "a.idx") + std::chrono::seconds(1));
  CHECK_THROWS_AS(everything(folder / "a.tar"), DataError);
  // Members that were added, or that an index leaves out.
  const std::string more = only_indexed().substr(0, 3072) + tar_member("4.jpg", "four") + kTarEnd;
  CHECK_FALSE(is_used(folder, index, more));
  CHECK_FALSE(is_used(folder, "v1.2 2\njpg 512 3 1.jpg\njpg 2560 5 3.jpg\n"));
  // A tar file that ends too early.
  CHECK_FALSE(is_used(folder, index, only_indexed().substr(0, 2562)));
}

TEST_CASE("index files: the offsets that wds2idx gets wrong before extra headers are noticed", "[shards]") {
  const TemporaryFolder folder;
  const std::string extra = tar_member("pax", pax_record("mtime", "1.5"), 'x');
  write_text(folder / "a.tar", extra + tar_member("1.jpg", "one") + extra + tar_member("2.jpg", "two") + kTarEnd);
  // It places a member by the header behind it, and takes that to be the one behind the extra header.
  const std::string walked = everything(folder / "a.tar");
  write_text(folder / "a.idx", "v1.2 2\njpg 2560 3 1.jpg\njpg 3584 3 2.jpg\n");
  CHECK(everything(folder / "a.tar") == walked);
  CHECK_THAT(walked, Contains("1.jpg=-1:one"));
}

TEST_CASE("index files: damage anywhere is no crash", "[shards]") {
  const TemporaryFolder folder;
  write_text(folder / "a.tar",
             tar_member("1.jpg", "x") + tar_member("1.cls", "3") + tar_member("2.jpg", "y") + kTarEnd);
  const std::string sound = tar_index_text(folder / "a.tar");
  for (std::size_t at = 0; at < sound.size(); ++at) {
    for (const char byte : {'\xff', '\0', '9', '\n', ' ', '\\'}) {
      std::string damaged = sound;
      damaged[at] = byte;
      write_text(folder / "a.idx", damaged);
      CHECK_THAT(everything(folder / "a.tar"), Contains("1.jpg=") && Contains(":x\n"));
    }
  }
}
