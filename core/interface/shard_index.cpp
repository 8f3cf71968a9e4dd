#include "interface/shard_index.h"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "cairn/error.h"
#include "interface/tar_index.h"

namespace cairn {
namespace {

constexpr std::uint64_t kMostLabel = 256;  // bytes of a member ".cls"
constexpr std::string_view kBlanks = " \t\r\n";

/// Gathers the members of one sample after the other.
class Gatherer {
 public:
  Gatherer(const FileFilter& filter, SmallReads& reads) : filter_(filter), reads_(reads) {
    index_.labels.emplace_back();
    numbers_.emplace("", 0);
  }

  void take(const TarMember& member) {
    if (member.is_hidden()) return;
    const std::string_view ending = member.ending();
    if (member.key() != key_) finish_sample();
    key_ = member.key();
    if (ending == kLabelEnding) {
      label_ = member.label ? *member.label : label_of(reads_, member);
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

std::string label_of(SmallReads& tar, const TarMember& member) {
  if (member.size > kMostLabel)
    throw DataError("has a label of " + std::to_string(member.size) + " bytes in " + member.name,
                    tar.file().path().string(), "write a class's number or name into members .cls");
  std::string text(member.size, '\0');
  tar.read(member.offset, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  const std::size_t first = text.find_first_not_of(kBlanks);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

ShardIndex read_shard(const FileFilter& filter, const std::filesystem::path& path) {
  const DataFile file(path);
  SmallReads reads(file);
  Gatherer gatherer(filter, reads);
  std::string fault;
  if (const auto members = read_tar_index(reads, fault)) {
    for (const TarMember& member : *members) gatherer.take(member);
  } else {
    TarWalk walk(reads);
    while (const auto member = walk.next()) gatherer.take(*member);
  }
  ShardIndex index = gatherer.finish();
  index.fault = std::move(fault);
  return index;
}

}  // namespace cairn
