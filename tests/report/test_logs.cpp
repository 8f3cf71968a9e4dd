#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cairn/error.h"
#include "report/metrics_log.h"
#include "report/tensorboard.h"
#include "report/text_log.h"
#include "support/temporary_folder.h"

namespace {

using cairn::MetricsLog;
using cairn::test::read_text;
using cairn::test::TemporaryFolder;
using cairn::test::write_text;

std::vector<nlohmann::json> records(const std::filesystem::path& path) {
  std::vector<nlohmann::json> out;
  std::istringstream in(read_text(path));
  for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

std::uint32_t number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

TEST_CASE("metrics are one JSON object a line, at once on disk and exact") {
  TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  MetricsLog log(path, std::nullopt);
  log.write(20, {{"loss", 0.1}, {"lr", 1e-300}});
  CHECK(read_text(path) == "{\"step\":20,\"loss\":0.1,\"lr\":1e-300}\n");
  log.write(40, {{"quote\"", 1.0 / 3.0}});
  CHECK(records(path).at(1)["quote\""].get<double>() == 1.0 / 3.0);
}

TEST_CASE("what is not finite is null, with a note") {
  TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  MetricsLog log(path, std::nullopt);
  log.write(1, {{"loss", std::nan("")}, {"a", -INFINITY}, {"b", 2.0}});
  const auto record = records(path).at(0);
  CHECK(record["loss"].is_null());
  CHECK(record["a"].is_null());
  CHECK(record["b"] == 2.0);
  CHECK(record["note"] == "loss is NaN, a is minus infinite");
}

TEST_CASE("a resume drops later records and torn lines, and keeps the rest byte for byte") {
  TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  const std::string kept = "{\"step\":10,\"loss\":0.50}\n{\"step\":20,\"loss\":0.25}\n";
  write_text(path, kept + "{\"step\":30,\"loss\":0.1}\nrubbish\n{\"loss\":1}\n{\"step\":15,\"lo");
  {
    MetricsLog log(path, 20);
    CHECK(log.dropped() == 4);
    CHECK(read_text(path) == kept);
    log.write(30, {{"loss", 0.2}});
  }
  CHECK(records(path).size() == 3);
  CHECK(MetricsLog(path, 30).dropped() == 0);
  CHECK(records(path).size() == 3);
  // A whole record whose newline was torn off is written again by the resumed run.
  write_text(path, kept + "{\"step\":20,\"loss\":0.1}");
  CHECK(MetricsLog(path, 20).dropped() == 1);
  CHECK(read_text(path) == kept);
}

TEST_CASE("without a resume metrics start anew; with one they may be missing") {
  TemporaryFolder folder;
  write_text(folder / "old.jsonl", "{\"step\":1}\n");
  MetricsLog fresh(folder / "old.jsonl", std::nullopt);
  CHECK(read_text(folder / "old.jsonl").empty());
  MetricsLog missing(folder / "new.jsonl", 7);
  missing.write(8, {});
  CHECK(read_text(folder / "new.jsonl") == "{\"step\":8}\n");
}

TEST_CASE("metrics that cannot be written are an error that names the file") {
  CHECK_THROWS_WITH(MetricsLog("/nowhere/metrics.jsonl", std::nullopt), Catch::Contains("/nowhere/metrics.jsonl"));
  MetricsLog full("/dev/full", std::nullopt);
  CHECK_THROWS_WITH(full.write(1, {{"loss", 1.0}}), Catch::Contains("free space"));
}

TEST_CASE("crc32c has the published values") {
  CHECK(cairn::crc32c("123456789") == 0xE3069283U);
  CHECK(cairn::crc32c(std::string(32, '\0')) == 0x8A9136AAU);  // RFC 3720, B.4
  CHECK(cairn::crc32c("") == 0U);
}

TEST_CASE("an event file is framed as TFRecord and opens with its version") {
  TemporaryFolder folder;
  cairn::TensorBoardLog log(folder.path(), std::nullopt);
  log.write(300, {{"loss", 0.5}});
  log.write(301, {{"loss", std::nan("")}});
  const std::string bytes = read_text(log.path());
  int count = 0;
  for (std::size_t at = 0; at < bytes.size(); ++count) {
    const std::uint32_t size = number(bytes.substr(at));
    const auto masked = [](std::uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8U; };
    CHECK(number(bytes.substr(at + 8)) == masked(cairn::crc32c(bytes.substr(at, 8))));
    CHECK(number(bytes.substr(at + 12 + size)) == masked(cairn::crc32c(bytes.substr(at + 12, size))));
    at += 16 + size;
  }
  CHECK(count == 2);
  CHECK(bytes.find("brain.Event:2") != std::string::npos);
  // step 300, then the summary: a value with tag "loss" and simple_value 0.5.
  CHECK(bytes.find(std::string("\x10\xAC\x02\x2A\x0D\x0A\x0B\x0A\x04loss\x15\x00\x00\x00\x3F", 18)) !=
        std::string::npos);
}

TEST_CASE("event files of one folder never share a name and sort by age") {
  TemporaryFolder folder;
  std::vector<std::filesystem::path> paths;
  for (int i = 0; i < 4; ++i) paths.push_back(cairn::TensorBoardLog(folder.path(), i).path());
  CHECK(std::is_sorted(paths.begin(), paths.end()));
  CHECK(std::adjacent_find(paths.begin(), paths.end()) == paths.end());
  CHECK_THROWS_WITH(cairn::TensorBoardLog("/proc/nowhere", std::nullopt), Catch::Contains("/proc/nowhere"));
}

TEST_CASE("the log keeps every line with its time and level, over resumes") {
  TemporaryFolder folder;
  const auto path = folder / "log.txt";
  {
    cairn::TextLog log(path, nullptr);
    log.info("first");
    log.warn("two\nlines");
  }
  cairn::TextLog(path, nullptr).error("after");
  std::istringstream in(read_text(path));
  std::vector<std::string> ends;
  for (std::string line; std::getline(in, line);) {
    REQUIRE(line.size() > 20);
    CHECK(line[19] == 'Z');
    ends.push_back(line.substr(21));
  }
  CHECK(ends == std::vector<std::string>{"info first", "warning two", "warning lines", "error after"});
  CHECK_THROWS_WITH(cairn::TextLog("/nowhere/log.txt", nullptr), Catch::Contains("/nowhere/log.txt"));
}
