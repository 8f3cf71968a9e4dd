#include "ava_table.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

#include "cairn/csv.h"
#include "cairn/error.h"

namespace cairn::video {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLine = "write lines such as: video_id,902,0.1,0.2,0.5,0.9,12,0 (no header; edges as shares)";

/// Lines of a file with their numbers, for messages.
class Lines {
 public:
  explicit Lines(fs::path path) : path_(std::move(path)), file_(path_) {
    if (!file_) throw DataError("cannot be read", path_.string());
  }

  /// The next line that is not blank; false at the end.
  bool next() {
    while (std::getline(file_, text_)) {
      ++number_;
      if (text_.find_first_not_of(" \t\r") != std::string::npos) return true;
    }
    return false;
  }
  const std::string& text() const { return text_; }
  int number() const { return number_; }

  [[noreturn]] void fail(const std::string& what, const char* advice) const {
    throw DataError(what, path_.string() + ":" + std::to_string(number_), advice);
  }

 private:
  fs::path path_;
  std::ifstream file_;
  std::string text_;
  int number_ = 0;
};

template <class T>
std::optional<T> number_in(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Moment moment_of(const Lines& lines, const std::vector<std::string>& cells) {
  if (cells[0].empty()) lines.fail("names no video", kLine);
  const auto second = number_in<double>(cells[1]);
  if (!second || !(*second >= 0)) lines.fail("'" + cells[1] + "' is not a time in seconds", kLine);
  return {cells[0], *second};
}

std::array<float, 4> edges_of(const Lines& lines, const std::vector<std::string>& cells) {
  std::array<float, 4> edges{};
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const auto edge = number_in<float>(cells[2 + i]);
    if (!edge) lines.fail("'" + cells[2 + i] + "' is not an edge of a box", kLine);
    if (!(*edge >= 0 && *edge <= 1))
      lines.fail("the edge " + cells[2 + i] + " lies outside the frame", "divide edges in pixels by width and height");
    edges[i] = *edge;
  }
  if (edges[0] > edges[2] || edges[1] > edges[3])
    lines.fail("the box ends before it begins", "give left, top, right, bottom in this order");
  return edges;
}

/// The one of `boxes` with the same edges and person, which is added where there is none.
ActionBox& box_like(std::vector<ActionBox>& boxes, ActionBox box) {
  const auto same = std::find_if(boxes.begin(), boxes.end(), [&](const ActionBox& other) {
    return other.edges == box.edges && other.person == box.person;
  });
  return same != boxes.end() ? *same : boxes.emplace_back(std::move(box));
}

/// What stands behind a key, without quotes; none where the line has another key.
std::optional<std::string> value_of(std::string_view line, std::string_view key) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  if (!line.starts_with(key)) return std::nullopt;
  line.remove_prefix(key.size());
  const std::size_t begin = line.find_first_not_of(" \t\""), end = line.find_last_not_of(" \t\r\"");
  return begin == std::string_view::npos ? "" : std::string(line.substr(begin, end - begin + 1));
}

/// One line of a .pbtxt; `name` is that of the braces, which comes before or after the id.
void take_pbtxt(const Lines& lines, std::string& name, std::optional<std::int64_t>& id, ActionNames& names) {
  if (const auto found = value_of(lines.text(), "name:")) name = *found;
  for (const char* key : {"id:", "label_id:"}) {
    const auto found = value_of(lines.text(), key);
    if (!found) continue;
    id = number_in<std::int64_t>(*found);
    if (!id) lines.fail("'" + *found + "' is not the id of an action", "write whole numbers");
  }
  if (lines.text().find('}') == std::string::npos) return;
  if (!id) lines.fail("an action ends without an id", "give each one id: or label_id:");
  names[*id] = name;
  name.clear();
  id.reset();
}

void take_csv(const Lines& lines, ActionNames& names) {
  const std::vector<std::string> cells = csv_cells(lines.text());
  const auto id = number_in<std::int64_t>(cells.front());
  if (!id && lines.number() == 1) return;
  if (!id || cells.size() < 2) lines.fail("is no action", "write lines such as: 12,stand");
  names[*id] = cells[1];
}

}  // namespace

ActionNames read_actions(const fs::path& path) {
  Lines lines(path);
  ActionNames names;
  std::string name;
  std::optional<std::int64_t> id;
  bool has_braces = false;
  while (lines.next()) {
    has_braces = has_braces || lines.text().find('{') != std::string::npos;
    has_braces ? take_pbtxt(lines, name, id, names) : take_csv(lines, names);
  }
  if (names.empty()) throw DataError("names no action", path.string());
  return names;
}

std::set<Moment> read_moments(const fs::path& path) {
  Lines lines(path);
  std::set<Moment> moments;
  while (lines.next()) {
    const std::vector<std::string> cells = csv_cells(lines.text());
    if (cells.size() != 2)
      lines.fail("has " + std::to_string(cells.size()) + " columns, not 2", "write lines such as: video_id,902");
    moments.insert(moment_of(lines, cells));
  }
  return moments;
}

Keyframes read_keyframes(const fs::path& path) {
  Lines lines(path);
  Keyframes keyframes;
  while (lines.next()) {
    const std::vector<std::string> cells = csv_cells(lines.text());
    if (cells.size() != 7 && cells.size() != 8)
      lines.fail("has " + std::to_string(cells.size()) + " columns, not 7 or 8", kLine);
    const Moment moment = moment_of(lines, cells);
    const std::array<float, 4> edges = edges_of(lines, cells);
    const auto action = number_in<std::int64_t>(cells[6]);
    if (!action || *action < 0) lines.fail("'" + cells[6] + "' is not the id of an action", kLine);
    ActionBox box = {edges, cells.size() == 8 ? cells[7] : "", {}};
    box_like(keyframes[moment], std::move(box)).actions.insert(*action);
  }
  if (keyframes.empty()) throw DataError("holds no box", path.string(), kLine);
  return keyframes;
}

void restrict_to(Keyframes& keyframes, const ActionNames& names, const std::set<Moment>& excluded) {
  for (auto& [moment, boxes] : keyframes) {
    for (ActionBox& box : boxes) std::erase_if(box.actions, [&](std::int64_t id) { return !names.contains(id); });
    std::erase_if(boxes, [](const ActionBox& box) { return box.actions.empty(); });
  }
  std::erase_if(keyframes, [&](const auto& entry) { return entry.second.empty() || excluded.contains(entry.first); });
}

}  // namespace cairn::video
