#include "interface/shard_index.h"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "cairn/error.h"
#include "interface/tar.h"

namespace cairn {
namespace {

constexpr std::uint64_t kMostLabel = 256;  // bytes of a member ".cls"
constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// A member's name as WebDataset cuts it: at the first dot behind the last slash.
std::pair<std::string_view, std::string_view> split_name(std::string_view name) {
  const std::size_t dot = name.find('.', name.rfind('/') + 1);
  if (dot == std::string_view::npos) return {name, ""};
  return {name.substr(0, dot), name.substr(dot)};
}

/// Gathers the members of one sample after the other.
class Gatherer {
 public:
  Gatherer(const FileFilter& filter, SmallReads& reads) : filter_(filter), reads_(reads) {
    index_.labels.emplace_back();
    numbers_.emplace("", 0);
  }

  void take(const TarMember& member) {
    const auto [key, ending] = split_name(member.name);
    if (key.empty() || key.ends_with('/')) return;  // hidden, as macOS adds them
    if (key != key_) finish_sample();
    key_ = key;
    if (ending == ".cls") {
      label_ = label_of(member);
    } else if (filter_.matches(member.name)) {
      (ending.rfind('.') == 0 ? plain_ : dotted_).push_back(member);
    } else {
      ++index_.others;
    }
  }

  ShardIndex finish() {
    finish_sample();
    return std::move(index_);
  }

 private:
  std::string label_of(const TarMember& member) {
    if (member.size > kMostLabel)
      throw DataError("has a label of " + std::to_string(member.size) + " bytes in " + member.name,
                      reads_.file().path().string(), "write a class's number or name into members .cls");
    std::string text(member.size, '\0');
    reads_.read(member.offset, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    return std::string(trimmed(text));
  }

  /// "a.jpg" is the sample of its key, and "a.mask.png" beside it is none; where there is no such member, names have
  /// dots of their own.
  void finish_sample() {
    if (plain_.size() > 1) plain_.resize(1);
    for (const TarMember& member : plain_.empty() ? dotted_ : plain_) add(member);
    plain_.clear();
    dotted_.clear();
    label_.clear();
  }

  void add(const TarMember& member) {
    const auto [known, is_new] = numbers_.try_emplace(label_, static_cast<std::uint32_t>(index_.labels.size()));
    if (is_new) index_.labels.push_back(label_);
    index_.samples.push_back({member.offset, member.size, index_.names.size(), known->second});
    (index_.names += member.name) += '\0';
  }

  const FileFilter& filter_;
  SmallReads& reads_;
  ShardIndex index_;
  std::unordered_map<std::string, std::uint32_t> numbers_;  // of the labels
  std::string key_, label_;                                 // of the sample that is being gathered
  std::vector<TarMember> plain_, dotted_;                   // its members, by the dots in their endings
};

}  // namespace

ShardIndex read_shard(const FileFilter& filter, const std::filesystem::path& path) {
  const DataFile file(path);
  SmallReads reads(file);
  Gatherer gatherer(filter, reads);
  walk_tar(reads, [&](const TarMember& member) { gatherer.take(member); });
  return gatherer.finish();
}

}  // namespace cairn
