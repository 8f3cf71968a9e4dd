#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cairn::video {

/// A second of a video, named by the video's file without its ending.
using Moment = std::pair<std::string, double>;

/// Somebody in a frame, and what they do.
struct ActionBox {
  std::array<float, 4> edges = {0, 0, 1, 1};  // left, top, right, bottom, as shares of width and height
  std::string person;                         // an id; empty where the table has none
  std::set<std::int64_t> actions;             // ids
};

/// What the actions are called, by id.
using ActionNames = std::map<std::int64_t, std::string>;

/// The boxes of each moment.
using Keyframes = std::map<Moment, std::vector<ActionBox>>;

/// A list of actions: AVA's `.pbtxt` (`name: "…"` with `id:` or `label_id:` in braces), or CSV lines "id,name" with or
/// without a header. DataError, with the line, for anything else.
ActionNames read_actions(const std::filesystem::path& path);

/// Lines "video_id,timestamp". DataError, with the line, for anything else.
std::set<Moment> read_moments(const std::filesystem::path& path);

/// A table in AVA's format (Gu et al. 2018): lines "video_id,timestamp,left,top,right,bottom,action_id[,person_id]"
/// without header, one for each action of a box. Lines of one moment with the same edges and person are one box.
/// DataError, with the line and what to do, for a line that is not so, or whose box does not lie in the frame.
Keyframes read_keyframes(const std::filesystem::path& path);

/// Leaves out these moments, the actions that `names` lacks, and boxes and moments with nothing left.
void restrict_to(Keyframes& keyframes, const ActionNames& names, const std::set<Moment>& excluded);

}  // namespace cairn::video
