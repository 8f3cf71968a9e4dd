#include "report/progress_bar.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

namespace cairn {
namespace {

constexpr std::size_t kMostBar = 30;
constexpr std::size_t kLeastBar = 8;

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A bar of `width` columns, filled to `share` in eighths of a column.
std::string blocks(double share, std::size_t width) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width) * 8.0);
  std::string bar;
  for (std::size_t i = 0; i < eighths / 8; ++i) bar += "█";
  bar += kEighths[eighths % 8];
  return bar + std::string(width - (eighths + 7) / 8, ' ');
}

}  // namespace

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  const auto whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string rate_text(double per_second) {
  if (per_second >= 9999.5) return fmt::format("{:.1f} k", per_second / 1000.0);
  if (per_second >= 9.95) return fmt::format("{:.0f}", per_second);
  return fmt::format("{:.1f}", per_second);
}

ProgressBar::ProgressBar(Terminal& terminal, std::int64_t first_step, std::int64_t last_step, std::int64_t batch_size,
                         std::function<double()> clock)
    : terminal_(terminal),
      step_(first_step),
      last_step_(last_step),
      clock_(clock ? std::move(clock) : steady_seconds),
      throughput_(first_step, batch_size) {
  drawn_at_ = terminal_.is_terminal() ? -1e9 : clock_();
}

void ProgressBar::step(std::int64_t step, double waited) {
  const double now = clock_();
  step_ = step;
  throughput_.step(step, now, waited);
  if (now - drawn_at_ >= (terminal_.is_terminal() ? kRedrawSeconds : kPlainSeconds)) draw(now);
}

void ProgressBar::draw(double now) {
  drawn_at_ = now;
  if (terminal_.is_terminal()) {
    terminal_.status(bar_line());
  } else {
    terminal_.line(plain_line());
  }
}

void ProgressBar::pause(const std::string& what) {
  throughput_.pause(clock_());
  if (terminal_.is_terminal()) terminal_.status(fmt::format("step {}/{}  {} …", step_, last_step_, what));
}

void ProgressBar::resume() {
  throughput_.resume(clock_());
  drawn_at_ = terminal_.is_terminal() ? -1e9 : drawn_at_;
}

void ProgressBar::finish() {
  if (is_finished_) return;
  is_finished_ = true;
  terminal_.clear_status();
  terminal_.line(plain_line());
}

std::vector<std::string> ProgressBar::facts() const {
  std::vector<std::string> out;
  if (loss_) out.push_back(fmt::format("loss {:.4g}", *loss_));
  const auto rate = throughput_.samples_per_second();
  if (rate) out.push_back(rate_text(*rate) + " samples/s");
  const auto left = throughput_.seconds_left(last_step_);
  if (left && step_ < last_step_) out.push_back("ETA " + duration_text(*left));
  if (rate) out.push_back(fmt::format("wait {:.0f} %", 100.0 * throughput_.wait_share()));
  if (!probe_.empty()) out.push_back("probe " + probe_);
  return out;
}

std::string ProgressBar::plain_line() const {
  const double share = last_step_ > 0 ? static_cast<double>(step_) / static_cast<double>(last_step_) : 1.0;
  std::string line = fmt::format("step {}/{}  {:.0f} %", step_, last_step_, 100.0 * share);
  for (const std::string& fact : facts()) line += "  " + fact;
  return line;
}

std::string ProgressBar::bar_line() const {
  const double share = last_step_ > 0 ? static_cast<double>(step_) / static_cast<double>(last_step_) : 1.0;
  const std::string head = fmt::format("{:3.0f} % ", 100.0 * share);
  std::string tail = fmt::format(" {}/{}", step_, last_step_);
  const std::size_t room = terminal_.width() > 1 ? terminal_.width() - 1 : 0;
  const auto fits = [&](std::size_t more) { return columns(head) + columns(tail) + more + kLeastBar + 2 <= room; };
  for (const std::string& fact : facts()) {
    if (!fits(columns(fact) + 3)) break;
    tail += " · " + fact;
  }
  if (!fits(0)) return head + tail;
  const std::size_t width = std::min(kMostBar, room - columns(head) - columns(tail) - 2);
  return head + "▕" + blocks(share, width) + "▏" + tail;
}

}  // namespace cairn
