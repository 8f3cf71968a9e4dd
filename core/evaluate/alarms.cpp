#include "evaluate/alarms.h"

#include <fmt/format.h>

#include <cmath>

namespace cairn {
namespace {

constexpr int kPatience = 2;         // logged steps in a row
constexpr double kFall = 0.5;        // of the highest rank, with a loss that falls away
constexpr double kDeepFall = 0.25;   // of the highest rank, whatever the loss does
constexpr double kSpreads = 1.5;     // times the deviation at the highest rank: features that spread do not collapse
constexpr double kLostLoss = 0.25;   // of the first logged loss
constexpr double kLostSpread = 0.1;  // of the targets' first spread, with a loss under half its first
constexpr double kHalfLoss = 0.5;
constexpr double kSmallLoss = 0.1;  // the same, for targets that a shortcut explains
constexpr double kShortcut = 0.9;
constexpr double kPointRank = 1.5;
constexpr double kPointStd = 0.02;
constexpr const char* kPage = "see docs/collapse.md";

std::optional<double> value(const std::map<std::string, double>& figures, const char* name) {
  const auto found = figures.find(name);
  return found != figures.end() && std::isfinite(found->second) ? std::optional(found->second) : std::nullopt;
}

}  // namespace

bool Alarms::lasts(const std::string& kind, bool seen) {
  int& count = lasting_[kind];
  count = seen ? count + 1 : 0;
  return count >= kPatience;
}

std::vector<Alarm> Alarms::observe(std::int64_t step, const std::vector<std::pair<std::string, double>>& figures) {
  const Figures all(figures.begin(), figures.end());
  const auto loss = value(all, "loss");
  if (loss && records_++ == 0) first_loss_ = *loss;
  std::vector<Alarm> raised;
  const auto raise = [&](const char* kind, const std::optional<std::string>& text) {
    if (lasts(kind, text.has_value()) && told_.insert(kind).second) raised.push_back({kind, step, *text});
  };
  const auto fall = rank_fall(step, all), spread = spread_fall(step, all);
  raise("collapse", fall ? fall : spread);
  raise("point", point(all));
  raise("shortcut", shortcut(all));
  return raised;
}

std::optional<std::string> Alarms::rank_fall(std::int64_t step, const Figures& figures) {
  const auto rank = value(figures, "effective_rank"), loss = value(figures, "loss");
  if (!rank) return std::nullopt;
  const auto deviation = value(figures, "feature_std");
  if (*rank > peak_) {
    peak_ = *rank;
    peak_step_ = step;
    peak_deviation_ = deviation;
  }
  const bool loss_is_lost = loss && first_loss_ > 0.0 && *loss < kLostLoss * first_loss_;
  const bool spreads = deviation && peak_deviation_ && *deviation > kSpreads * *peak_deviation_;
  const bool is_deep = *rank < kDeepFall * peak_ && !spreads;
  if (!is_deep && !(loss_is_lost && *rank < kFall * peak_)) return std::nullopt;
  std::string text =
      fmt::format("effective rank fell from {:.1f} to {:.1f} in {} steps", peak_, *rank, step - peak_step_);
  if (loss_is_lost) text += fmt::format(" while the loss fell to {:.0f} % of its start", 100.0 * *loss / first_loss_);
  return text + ": the representation is collapsing; " + advice() + "; " + kPage;
}

const char* Alarms::advice() const {
  return has_teacher_ ? "raise ema.momentum or lower optim.lr"
                      : "give the targets a teacher, raise ema.momentum or lower optim.lr";
}

std::optional<std::string> Alarms::spread_fall(std::int64_t step, const Figures& figures) {
  const auto spread = value(figures, "target_spread"), loss = value(figures, "loss");
  if (!spread || !loss) return std::nullopt;
  if (first_spread_ == 0.0) first_spread_ = *spread;
  const bool loss_falls = first_loss_ > 0.0 && *loss < kHalfLoss * first_loss_;
  if (!loss_falls || !(*spread < kLostSpread * first_spread_)) return std::nullopt;
  return fmt::format(
      "the targets are nearly all alike at step {}: their variance fell from {:.2g} to {:.2g} of their mean "
      "square while the loss fell to {:.0f} % of its start: the representation is collapsing; {}; {}",
      step, first_spread_, *spread, 100.0 * *loss / first_loss_, advice(), kPage);
}

std::optional<std::string> Alarms::point(const Figures& figures) const {
  const auto rank = value(figures, "effective_rank"), deviation = value(figures, "feature_std");
  const bool is_thin = rank && *rank < kPointRank, is_still = deviation && *deviation < kPointStd;
  if (!is_thin && !is_still) return std::nullopt;
  return fmt::format(
      "the features of all samples are nearly alike (effective rank {:.1f}, feature std {:.3f}): the "
      "representation has collapsed; start again with {}a lower optim.lr or a term against collapse; {}",
      rank.value_or(0.0), deviation.value_or(0.0), has_teacher_ ? "a higher ema.momentum, " : "a teacher, ", kPage);
}

std::optional<std::string> Alarms::shortcut(const Figures& figures) const {
  const auto share = value(figures, "shortcut_share"), loss = value(figures, "loss");
  if (!share || !loss || !(first_loss_ > 0.0) || *share < kShortcut || *loss > kSmallLoss * first_loss_)
    return std::nullopt;
  return fmt::format(
      "position and overall level explain {:.0f} % of the targets and the loss is small ({:.3g}): little "
      "is learnt; centre the targets (centre_position, centre_sample) or standardise the input; {}",
      100.0 * *share, *loss, kPage);
}

}  // namespace cairn
