#include <catch2/catch.hpp>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "cairn/error.h"
#include "cairn/shard_set.h"
#include "support/tar.h"
#include "support/temporary_folder.h"

namespace fs = std::filesystem;
using cairn::DataError;
using cairn::FileFilter;
using cairn::open_shards;
using cairn::ShardOptions;
using cairn::ShardSet;
using cairn::Split;
using cairn::test::kTarEnd;
using cairn::test::octal;
using cairn::test::pax_record;
using cairn::test::tar_member;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;
using Catch::Contains;

namespace {

const FileFilter kPictures{"image", {".jpg", ".png"}};

std::string text(const ShardSet& set, std::int64_t index) {
  const std::vector<std::uint8_t> bytes = set.read(index);
  return {bytes.begin(), bytes.end()};
}

std::vector<std::string> names(const ShardSet& set) {
  std::vector<std::string> found;
  for (std::int64_t i = 0; i < set.size(); ++i) found.push_back(set.name(i).substr(set.name(i).find(".tar:") + 5));
  return found;
}

std::vector<std::int64_t> labels(const ShardSet& set) {
  std::vector<std::int64_t> found;
  for (std::int64_t i = 0; i < set.size(); ++i) found.push_back(set.label(i));
  return found;
}

std::unique_ptr<ShardSet> open(const fs::path& path, Split split = Split::train, double test_share = 0) {
  return open_shards(kPictures, {path.string(), "", test_share}, split);
}

using Names = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("shards: samples with their labels, whatever order their members have", "[shards]") {
  const TemporaryFolder folder;
  write_text(folder / "a.tar", tar_member("1.jpg", "one") + tar_member("1.cls", "7\n") + tar_member("1.json", "{}") +
                                   tar_member("2.cls", " 0 ") + tar_member("2.jpg", "two") + kTarEnd);
  write_text(folder / "b.tar",
             tar_member("3.png", "three") + tar_member("3.cls", "3") + tar_member("4.jpg", "") + kTarEnd);
  const auto set = open(folder.path());
  REQUIRE(set->size() == 4);
  CHECK(names(*set) == Names({"1.jpg", "2.jpg", "3.png", "4.jpg"}));
  CHECK(labels(*set) == Numbers({7, 0, 3, -1}));
  CHECK(set->classes() == Names({"0", "1", "2", "3", "4", "5", "6", "7"}));
  CHECK(text(*set, 0) == "one");
  CHECK(text(*set, 2) == "three");
  CHECK(text(*set, 3).empty());
  CHECK(set->name(1) == (folder / "a.tar").string() + ":2.jpg");
}

TEST_CASE("shards: labels are names, or else the folders of the samples", "[shards]") {
  const TemporaryFolder folder;
  write_text(folder / "named.tar", tar_member("1.jpg", "a") + tar_member("1.cls", "dog") + tar_member("2.jpg", "b") +
                                       tar_member("2.cls", "cat") + kTarEnd);
  CHECK(labels(*open(folder / "named.tar")) == Numbers({1, 0}));
  write_text(folder / "folders.tar", tar_member("./", "", '5') + tar_member("./2/", "", '5') +
                                         tar_member("./2/x.jpg", "a") + tar_member("./10/x.jpg", "b") +
                                         tar_member("./10/y.jpg", "c") + kTarEnd);
  const auto folders = open(folder / "folders.tar");
  CHECK(folders->classes() == Names({"10", "2"}));
  CHECK(labels(*folders) == Numbers({1, 0, 0}));
  // One folder around everything says nothing.
  write_text(folder / "one.tar", tar_member("all/1.jpg", "a") + tar_member("all/2.jpg", "b") + kTarEnd);
  CHECK(open(folder / "one.tar")->classes().empty());
  CHECK(labels(*open(folder / "one.tar")) == Numbers({-1, -1}));
}

TEST_CASE("shards: of a key's pictures the plain one counts, and dots in names do not hide pictures", "[shards]") {
  const TemporaryFolder folder;
  write_text(folder / "a.tar", tar_member("1.mask.png", "m") + tar_member("1.jpg", "p") + tar_member("2.v1.jpg", "a") +
                                   tar_member("2.v2.jpg", "b") + tar_member("._3.jpg", "hidden") +
                                   tar_member("d.e/3.JPG", "c") + kTarEnd);
  CHECK(names(*open(folder / "a.tar")) == Names({"1.jpg", "2.v1.jpg", "2.v2.jpg", "d.e/3.JPG"}));
}

TEST_CASE("shards: long names and sizes of every kind of header", "[shards]") {
  const TemporaryFolder folder;
  const std::string deep(90, 'd'), longer = std::string(150, 'g') + ".jpg", unicode = "größe.jpg";
  write_text(folder / "a.tar",
             tar_member("x.jpg", "prefix", '0', deep) + tar_member("././@LongLink", longer + '\0', 'L') +
                 tar_member(longer.substr(0, 100), "gnu") + tar_member("pax", pax_record("path", unicode), 'x') +
                 tar_member("gr.jpg", "pax") + tar_member("global", pax_record("comment", "all"), 'g') +
                 tar_member("link.jpg", "", '2') + tar_member("old.jpg", "v7", '\0') + kTarEnd);
  const auto set = open(folder / "a.tar");
  CHECK(names(*set) == Names({deep + "/x.jpg", longer, unicode, "old.jpg"}));
  CHECK(text(*set, 1) == "gnu");
  CHECK(text(*set, 2) == "pax");
  CHECK(text(*set, 3) == "v7");

  std::string binary = tar_member("b.jpg", "base 256");  // GNU writes sizes above 8 GiB so
  binary.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\x08", 12));
  binary.replace(148, 8, "        ");
  const int sum = std::accumulate(binary.begin(), binary.begin() + 512, 0,
                                  [](int total, char byte) { return total + static_cast<unsigned char>(byte); });
  binary.replace(148, 7, octal(static_cast<std::uint64_t>(sum), 6) + '\0');
  write_text(folder / "b.tar", binary);  // and without the two blocks of zeros at the end
  CHECK(text(*open(folder / "b.tar"), 0) == "base 256");
}

TEST_CASE("shards: parts are told by folders, by names, by a path, or divided", "[shards]") {
  const TemporaryFolder folder;
  const auto put = [&](const fs::path& path, const std::string& name) {
    fs::create_directories((folder.path() / path).parent_path());
    write_text(folder.path() / path, tar_member(name + ".jpg", name) + tar_member(name + ".cls", name) + kTarEnd);
  };
  for (const char* name : {"words/set-train-00.tar", "words/set-train-01.tar", "folders/train/0.tar"}) put(name, "0");
  for (const char* name : {"words/set-Validation-00.tar", "words/latest.tar", "folders/val/0.tar"}) put(name, "1");
  for (const char* kind : {"words", "folders"}) {
    const auto train = open(folder / kind), test = open(folder / kind, Split::test);
    CHECK(labels(*test) == Numbers({1}));
    CHECK(train->size() == (std::string(kind) == "words" ? 3 : 1));  // "latest" is not the word "test"
    CHECK(train->classes() == Names({"0", "1"}));
  }
  const ShardOptions named{(folder / "words/set-train-{00..01}.tar").string(), (folder / "words/latest.tar").string()};
  CHECK(open_shards(kPictures, named, Split::train)->size() == 2);
  CHECK(labels(*open_shards(kPictures, named, Split::test)) == Numbers({1}));
  const ShardOptions chosen{(folder / "words/{latest,set-train-00}.tar").string()};
  CHECK(open_shards(kPictures, chosen, Split::train)->size() == 2);
  CHECK(open_shards(kPictures, chosen, Split::test) == nullptr);  // a class's only sample is for training

  std::string ten;
  for (int i = 0; i < 10; ++i)
    ten += tar_member(std::to_string(i) + ".jpg", "x") + tar_member(std::to_string(i) + ".cls", "0");
  write_text(folder / "ten.tar", ten + kTarEnd);
  CHECK(names(*open(folder / "ten.tar", Split::test, 0.2)) == Names({"4.jpg", "9.jpg"}));
  CHECK(open(folder / "ten.tar", Split::train, 0.2)->size() == 8);
}

TEST_CASE("shards: what cannot be read says why", "[shards]") {
  const TemporaryFolder folder;
  const std::string sound = tar_member("1.jpg", std::string(2000, 'x')) + tar_member("2.jpg", "y") + kTarEnd;
  const auto message = [&](const std::string& bytes) {
    write_text(folder / "a.tar", bytes);
    try {
      open(folder / "a.tar");
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message(sound).empty());
  CHECK_THAT(message("\x1f\x8b" + sound), Contains("is compressed"));
  CHECK_THAT(message(std::string(600, 'z')), Contains("is no tar file"));
  CHECK_THAT(message(""), Contains("is no tar file"));
  CHECK_THAT(message(sound.substr(0, 1000)), Contains("is truncated at byte 1000"));
  CHECK_THAT(message(sound.substr(0, 2700)), Contains("is truncated at byte 2700"));
  std::string damaged = sound;
  damaged[2560 + 3] = 'X';
  CHECK_THAT(message(damaged), Contains("is damaged at byte 2560"));
  CHECK_THAT(message(tar_member("1.txt", "x") + kTarEnd), Contains("no image files") && Contains("1 other"));
  CHECK_THAT(message(tar_member("s.jpg", "x", 'S') + kTarEnd), Contains("--sparse"));
  CHECK_THAT(message(tar_member("1.cls", std::string(300, '1')) + kTarEnd), Contains("label of 300 bytes"));
  CHECK_THAT(message(tar_member("1.cls", "99999999") + tar_member("1.jpg", "") + kTarEnd),
             Contains("number the classes from 0"));
  for (const std::string& records : {std::string("9999 path=x\n"), std::string("path\n"), std::string("x path=y\n")})
    CHECK_THAT(message(tar_member("p", records, 'x') + sound), Contains("damaged header"));
  CHECK_THROWS_WITH(open(folder / "none"), Contains("does not exist"));
  CHECK_THROWS_WITH(open(folder / "none-{0..2}.tar"), Contains("none-0.tar") && Contains("cannot be opened"));
  fs::create_directory(folder / "empty");
  CHECK_THROWS_WITH(open(folder / "empty"), Contains("holds no .tar files"));

  // A shard that shrinks under a run.
  write_text(folder / "a.tar", sound);
  const auto set = open(folder / "a.tar");
  fs::resize_file(folder / "a.tar", 700);
  CHECK_THROWS_WITH(set->read(0), Contains("ends at byte 700"));
}

TEST_CASE("shards: damage anywhere in the headers is an error or another name, never a crash", "[shards]") {
  const TemporaryFolder folder;
  const std::string sound = tar_member("p", pax_record("path", "long.jpg"), 'x') + tar_member("1.jpg", "x") +
                            tar_member("1.cls", "3") + tar_member("l", "very.jpg", 'L') + tar_member("2.jpg", "y");
  for (std::size_t at = 0; at < sound.size(); at += 7) {
    for (const char byte : {'\xff', '\0', '9'}) {
      std::string damaged = sound;
      damaged[at] = byte;
      write_text(folder / "a.tar", damaged);
      try {
        const auto set = open(folder / "a.tar");
        for (std::int64_t i = 0; set && i < set->size(); ++i) set->read(i);
      } catch (const DataError&) {
      }
    }
  }
}

TEST_CASE("shards: runs read ahead hold what single samples hold", "[shards]") {
  const TemporaryFolder folder;
  for (const char* shard : {"a.tar", "b.tar"}) {
    std::string bytes;
    for (int i = 0; i < 50; ++i) bytes += tar_member(std::to_string(i) + ".jpg", shard + std::to_string(i));
    write_text(folder / shard, bytes + kTarEnd);
  }
  const auto single = open(folder.path());
  const auto runs = open_shards(kPictures, {folder.path().string(), "", 0, {7, 2}}, Split::train);
  REQUIRE(single->size() == 100);
  CHECK(single->read_order().run == 1);
  CHECK(runs->read_order().run == 7);
  CHECK(runs->read_order().mixed == 2);
  for (std::int64_t i = 99; i >= 0; --i) REQUIRE(text(*runs, i) == text(*single, i));
}
