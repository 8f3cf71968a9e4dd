#include "cairn/shard_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <functional>
#include <iostream>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "cairn/error.h"
#include "interface/class_names.h"
#include "interface/lower_case.h"
#include "interface/open_files.h"
#include "interface/part_names.h"
#include "interface/shard_files.h"
#include "interface/shard_index.h"
#include "interface/tar_index.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kAnnounced = 4096;  // more than the runs that are mixed
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

template <class T>
std::int64_t size_of(const std::vector<T>& values) {
  return static_cast<std::int64_t>(values.size());
}

/// Whether `word`, in upper or lower case, is one of the words of a file's name, which other characters than letters
/// part.
bool has_word(const fs::path& path, std::string_view word) {
  const std::string name = lower_case(path.stem().string());
  const auto is_letter = [&](std::size_t i) {
    return i < name.size() && std::isalpha(static_cast<unsigned char>(name[i]));
  };
  for (std::size_t at = name.find(word); at != std::string::npos; at = name.find(word, at + 1))
    if (!is_letter(at - 1) && !is_letter(at + word.size())) return true;
  return false;
}

/// The shards of either part; without a test part both come from the same.
struct Layout {
  std::vector<fs::path> train, test;
};

Layout find_parts(const ShardOptions& options) {
  if (!options.test_path.empty()) return {find_shards(options.path), find_shards(options.test_path)};
  const fs::path folder = options.path;
  if (fs::is_directory(folder / "train")) {
    Layout layout{find_shards((folder / "train").string()), {}};
    for (const std::string_view name : kTestNames)
      if (layout.test.empty() && fs::is_directory(folder / name)) layout.test = find_shards((folder / name).string());
    return layout;
  }
  const std::vector<fs::path> all = find_shards(options.path);
  Layout layout;
  std::copy_if(all.begin(), all.end(), std::back_inserter(layout.train), [](const fs::path& path) {
    return std::none_of(std::begin(kTestNames), std::end(kTestNames),
                        [&](std::string_view name) { return has_word(path, name); });
  });
  for (const std::string_view name : kTestNames)
    if (layout.test.empty())
      std::copy_if(all.begin(), all.end(), std::back_inserter(layout.test),
                   [&](const fs::path& path) { return has_word(path, name); });
  return layout.train.empty() ? Layout{all, {}} : layout;
}

/// Says once, of a data set whose index files cannot be relied upon, that they are not.
void tell_of_faults(const std::vector<fs::path>& shards, const std::vector<ShardIndex>& indices) {
  const auto is_faulty = [](const ShardIndex& index) { return !index.fault.empty(); };
  const auto first = std::find_if(indices.begin(), indices.end(), is_faulty);
  if (first == indices.end()) return;
  const std::string path = index_path(shards[static_cast<std::size_t>(first - indices.begin())]).string();
  static std::mutex mutex;
  static std::set<std::string> told;
  const std::lock_guard lock(mutex);
  if (!told.insert(path).second) return;
  std::cerr << fmt::format(
      "warning: {}: {}; of {} of {} tar files the headers are read: cairn index writes such files\n", path,
      first->fault, std::count_if(first, indices.end(), is_faulty), indices.size());
}

/// The last folder of a member's path; empty where there is none.
std::string_view folder_of(std::string_view name) {
  const std::string_view folders = name.substr(0, name.rfind('/') + 1);
  if (folders.empty()) return "";
  const std::size_t begin = folders.rfind('/', folders.size() - 2);
  const std::string_view last = begin == std::string_view::npos ? folders : folders.substr(begin + 1);
  return last == "./" ? "" : last.substr(0, last.size() - 1);
}

void require_samples(const FileFilter& filter, const std::vector<ShardIndex>& indices, const std::string& path) {
  std::int64_t others = 0;
  for (const ShardIndex& index : indices) {
    if (!index.samples.empty()) return;
    others += index.others;
  }
  throw DataError("found " + std::to_string(indices.size()) + " tar files but no " + filter.noun + " files in them (" +
                      std::to_string(others) + " others)",
                  path, "looked for " + filter.extension_list());
}

/// How what shards say of their samples becomes classes.
class Labeller {
 public:
  Labeller(const std::vector<ShardIndex>& indices, const fs::path& where)
      : says_labels_(std::any_of(indices.begin(), indices.end(),
                                 [](const ShardIndex& index) { return index.labels.size() > 1; })),
        classes_(says_labels_ ? ClassNames::as_written(said(indices), where) : folders(indices)) {}

  std::int64_t of(const ShardIndex& index, const ShardIndex::Sample& sample) const {
    if (says_labels_) return classes_.index(index.labels[sample.label]);
    return classes_.names().empty() ? -1 : classes_.index(folder_of(&index.names[sample.name]));
  }
  const std::vector<std::string>& names() const { return classes_.names(); }

 private:
  static std::set<std::string> said(const std::vector<ShardIndex>& indices) {
    std::set<std::string> labels;
    for (const ShardIndex& index : indices) labels.insert(index.labels.begin(), index.labels.end());
    return labels;
  }
  static ClassNames folders(const std::vector<ShardIndex>& indices) {
    std::set<std::string, std::less<>> names;
    for (const ShardIndex& index : indices)
      for (const ShardIndex::Sample& sample : index.samples)
        if (const auto folder = folder_of(&index.names[sample.name]); !names.contains(folder)) names.emplace(folder);
    // One folder around everything says nothing of a sample.
    return names.size() < 2 ? ClassNames() : ClassNames({names.begin(), names.end()});
  }

  bool says_labels_;
  ClassNames classes_;
};

}  // namespace

struct ShardSet::Content {
  struct Member {
    std::uint64_t offset = 0;  // of its bytes in the shard
    std::uint64_t size = 0;
    std::uint64_t name = 0;  // where its name begins
    std::uint32_t shard = 0;
    std::int32_t label = -1;
  };

  explicit Content(std::vector<fs::path> shards) : files(std::move(shards)), announced(kAnnounced) {}

  const Member& at(std::int64_t index) const { return members.at(static_cast<std::size_t>(index)); }
  void announce(std::int64_t index) const;

  std::string names;  // each ended by a zero
  std::vector<Member> members;
  std::vector<std::string> classes;
  ReadOrder reading;
  OpenFiles files;
  mutable std::vector<std::atomic<std::int64_t>> announced;  // runs, counted from 1, by what is left of their number
};

/// Has the system read the run that a sample belongs to.
void ShardSet::Content::announce(std::int64_t index) const {
  const std::int64_t run = index / reading.run;
  auto& last_here = announced[static_cast<std::size_t>(run) % announced.size()];
  if (last_here.exchange(run + 1) == run + 1) return;
  const auto end = members.begin() + std::min(size_of(members), (run + 1) * reading.run);
  for (auto first = members.begin() + run * reading.run; first != end;) {
    const auto next = std::find_if(first, end, [&](const Member& member) { return member.shard != first->shard; });
    const Member& last = *(next - 1);
    files.get(first->shard)->read_ahead(first->offset, last.offset + last.size - first->offset);
    first = next;
  }
}

ShardSet::ShardSet(std::unique_ptr<const Content> content) : content_(std::move(content)) {}
ShardSet::~ShardSet() = default;

std::int64_t ShardSet::size() const { return size_of(content_->members); }
std::int64_t ShardSet::label(std::int64_t index) const { return content_->at(index).label; }
const std::vector<std::string>& ShardSet::classes() const { return content_->classes; }

const ReadOrder& ShardSet::read_order() const { return content_->reading; }

std::string ShardSet::name(std::int64_t index) const {
  const Content::Member& member = content_->at(index);
  return content_->files.path(member.shard).string() + ":" + &content_->names[member.name];
}

std::vector<std::uint8_t> ShardSet::read(std::int64_t index) const {
  const Content::Member& member = content_->at(index);
  if (member.size > kMostBytes) throw DataError("is larger than 1 GiB", name(index));
  std::vector<std::uint8_t> bytes(member.size);
  read(index, 0, bytes);
  return bytes;
}

std::uint64_t ShardSet::bytes(std::int64_t index) const { return content_->at(index).size; }

void ShardSet::read(std::int64_t index, std::uint64_t offset, std::span<std::uint8_t> out) const {
  const Content::Member& member = content_->at(index);
  if (offset > member.size || out.size() > member.size - offset)
    throw DataError("ends at byte " + std::to_string(member.size), name(index));
  if (content_->reading.run > 1) content_->announce(index);
  content_->files.get(member.shard)->read(member.offset + offset, out);
}

std::unique_ptr<ShardSet> open_shards(const FileFilter& filter, const ShardOptions& options, Split split) {
  const Layout layout = find_parts(options);
  std::vector<fs::path> shards = layout.train;
  shards.insert(shards.end(), layout.test.begin(), layout.test.end());
  std::vector<ShardIndex> indices(shards.size());
  for_each_shard(shards.size(), [&](std::size_t i) { indices[i] = read_shard(filter, shards[i]); });
  tell_of_faults(shards, indices);
  require_samples(filter, indices, options.path);

  const Labeller labeller(indices, options.path);
  auto content = std::make_unique<ShardSet::Content>(shards);
  Divider divider(layout.test.empty() ? options.test_share : 0);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const bool is_test = i >= layout.train.size();
    if (!layout.test.empty() && is_test != (split == Split::test)) continue;
    for (const ShardIndex::Sample& sample : indices[i].samples) {
      const std::int64_t label = labeller.of(indices[i], sample);
      const bool is_wanted = !layout.test.empty() || (label < 0 ? split == Split::train : divider.takes(split, label));
      if (!is_wanted) continue;
      content->members.push_back({sample.offset, sample.size, content->names.size(), static_cast<std::uint32_t>(i),
                                  static_cast<std::int32_t>(label)});
      (content->names += &indices[i].names[sample.name]) += '\0';
    }
  }
  if (content->members.empty()) return nullptr;
  content->classes = labeller.names();
  content->reading = options.reading;
  content->names.shrink_to_fit();
  content->members.shrink_to_fit();
  return std::make_unique<ShardSet>(std::move(content));
}

}  // namespace cairn
