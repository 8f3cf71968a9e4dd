#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>

#include "report/progress_bar.h"

namespace {

using namespace cairn;

/// A stream in memory to write to.
class Capture {
 public:
  Capture() : stream_(open_memstream(&text_, &size_)) {}
  ~Capture() {
    std::fclose(stream_);
    std::free(text_);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  std::FILE* stream() { return stream_; }
  std::string text() {
    std::fflush(stream_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* stream_;
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::string after_last(const std::string& text, const std::string& part) {
  const std::size_t at = text.rfind(part);
  return at == std::string::npos ? text : text.substr(at + part.size());
}

}  // namespace

TEST_CASE("pace counts only steps after the warm-up, pauses left out") {
  Throughput pace(100, 32);
  CHECK_FALSE(pace.samples_per_second());
  pace.step(101, 50.0, 45.0);  // a slow start
  pace.step(102, 55.0, 49.0);
  pace.step(103, 56.0, 50.0);
  CHECK_FALSE(pace.samples_per_second());
  CHECK_FALSE(pace.seconds_left(200));
  pace.step(105, 57.0, 50.25);
  CHECK(*pace.samples_per_second() == Approx(64.0));
  CHECK(pace.wait_share() == Approx(0.25));
  CHECK(*pace.seconds_left(205) == Approx(50.0));
  pace.pause(57.0);
  pace.resume(67.0);
  pace.step(107, 68.0, 50.25);
  CHECK(*pace.samples_per_second() == Approx(64.0));
  CHECK(*pace.average_samples_per_second() == Approx(64.0));
  // 2 s of training took 10 s of pauses with them: the rest will as well.
  CHECK(*pace.seconds_left(207) == Approx(50.0 * 6.0));
  CHECK(*pace.seconds_left(107) == 0.0);
}

TEST_CASE("a pause before the warm-up has passed is not expected again") {
  Throughput pace(0, 1);
  pace.pause(0.0);
  pace.resume(100.0);
  pace.step(3, 101.0, 0.0);
  pace.step(4, 102.0, 0.0);
  CHECK(*pace.seconds_left(14) == Approx(10.0));
}

TEST_CASE("pace follows the recent window, the average does not") {
  Throughput pace(0, 10);
  double now = 0.0;
  std::int64_t step = 0;
  for (; step <= 100; ++step) pace.step(step, now += 1.0, 0.0);
  for (; step <= 400; ++step) pace.step(step, now += 0.1, 0.0);
  CHECK(*pace.samples_per_second() == Approx(100.0).epsilon(0.01));
  CHECK(*pace.average_samples_per_second() == Approx(10.0 * 397 / 127).epsilon(0.01));
  for (; step <= 100000; ++step) pace.step(step, now += 0.0005, 0.0);
  CHECK(*pace.samples_per_second() == Approx(20000.0).epsilon(0.01));
}

TEST_CASE("durations and rates read as a person writes them") {
  CHECK(duration_text(0.4) == "0:00");
  CHECK(duration_text(245) == "4:05");
  CHECK(duration_text(3723) == "1:02:03");
  CHECK(duration_text(INFINITY) == "?");
  CHECK(rate_text(0.84) == "0.8");
  CHECK(rate_text(345.4) == "345");
  CHECK(rate_text(12345) == "12.3 k");
}

TEST_CASE("off a terminal a plain line comes every few seconds, without escapes") {
  Capture capture;
  {
    Terminal terminal(capture.stream(), false, 80);
    double now = 0.0;
    ProgressBar bar(terminal, 0, 1000, 32, [&] { return now; });
    bar.loss(0.25);
    bar.probe("linear 41.2 %");
    for (std::int64_t step = 1; step <= 250; ++step) {
      now += 0.1;
      bar.step(step, now * 0.02);
    }
    bar.finish();
    bar.finish();
  }
  const std::string text = capture.text();
  CHECK(count(text, "\n") == 3);
  CHECK(count(text, "\x1b") == 0);
  CHECK(text.find("step 250/1000  25 %  loss 0.25  320 samples/s  ETA 1:15  wait 2 %  probe linear 41.2 %\n") !=
        std::string::npos);
}

TEST_CASE("on a terminal the bar redraws at most ten times a second, fits, and goes away") {
  Capture capture;
  Terminal terminal(capture.stream(), true, 60);
  double now = 0.0;
  ProgressBar bar(terminal, 0, 1000, 32, [&] { return now; });
  bar.loss(0.25);
  bar.probe("linear 41.2 %, which is a rather long text");
  for (std::int64_t step = 1; step <= 500; ++step) {
    now += 0.01;
    bar.step(step, 0.0);
  }
  const std::string text = capture.text();
  CHECK(count(text, " % ") <= 52);
  CHECK(count(text, " % ") >= 45);
  CHECK(count(text, "\n") == 0);
  const std::string last = after_last(text, "\x1b[2K");
  CHECK(columns(last) < 60);
  CHECK(last.find("50 % ▕") != std::string::npos);
  CHECK(last.find("500/1000") != std::string::npos);
  CHECK(last.find("█") != std::string::npos);
  bar.finish();
  CHECK(after_last(capture.text(), "\r\x1b[2K").starts_with("step 500/1000"));
}

TEST_CASE("a narrow terminal loses facts, never the step") {
  for (const std::size_t width : {1U, 5U, 20U, 40U, 200U}) {
    Capture capture;
    Terminal terminal(capture.stream(), true, width);
    double now = 0.0;
    ProgressBar bar(terminal, 0, 10, 32, [&] { return now; });
    bar.loss(123.456);
    for (std::int64_t step = 1; step <= 8; ++step) bar.step(step, now += 1.0);
    const std::string last = after_last(capture.text(), "\x1b[2K");
    CHECK(columns(last) <= width);
    if (width >= 20) CHECK(last.find("8/10") != std::string::npos);
    if (width == 200) CHECK(last.find("wait") != std::string::npos);
  }
}

TEST_CASE("a line above the bar clears it first and draws it again") {
  Capture capture;
  Terminal terminal(capture.stream(), true, 60);
  terminal.status("bar");
  terminal.line("hello");
  CHECK(capture.text() == "bar\r\x1b[2Khello\nbar");
  terminal.clear_status();
  terminal.line("end");
  CHECK(capture.text() == "bar\r\x1b[2Khello\nbar\r\x1b[2Kend\n");
}

TEST_CASE("colour only where it is welcome") {
  Capture capture;
  unsetenv("NO_COLOR");
  CHECK(Terminal(capture.stream(), true, 80).paint("x", Terminal::Tone::bad) == "\x1b[31mx\x1b[0m");
  CHECK(Terminal(capture.stream(), false, 80).paint("x", Terminal::Tone::bad) == "x");
  setenv("NO_COLOR", "1", 1);
  CHECK(Terminal(capture.stream(), true, 80).paint("x", Terminal::Tone::bad) == "x");
  unsetenv("NO_COLOR");
  CHECK_FALSE(Terminal(capture.stream()).is_terminal());
}

TEST_CASE("columns count characters, not bytes, and cuts never split one") {
  CHECK(columns("█▏é") == 3);
  CHECK(first_columns("█▏é", 2) == "█▏");
  CHECK(first_columns("ab", 5) == "ab");
  CHECK(first_columns("ab", 0).empty());
}
