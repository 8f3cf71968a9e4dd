#include "interface/tar_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <utility>

#include "cairn/error.h"
#include "interface/shard_index.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVersion = "v1.2", kLabels = "labels";
constexpr std::string_view kGaps = " \t\r";
constexpr std::size_t kMostGaps = 64;  // read headers of this many; a tool that errs does so in most of them

constexpr const char* kUnfit = "does not fit its tar file";

[[noreturn]] void fail(const std::string& what) { throw DataError(what); }

/// Words and lines of a text, from its beginning.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  /// Goes to the next line; false at the end of the text.
  bool next_line() {
    if (text_.empty()) return false;
    const std::size_t end = std::min(text_.find('\n'), text_.size());
    line_ = text_.substr(0, end);
    text_.remove_prefix(std::min(end + 1, text_.size()));
    return true;
  }
  /// The next word of the line; empty at its end.
  std::string_view next() {
    line_.remove_prefix(std::min(line_.find_first_not_of(kGaps), line_.size()));
    const std::string_view word = line_.substr(0, line_.find_first_of(kGaps));
    line_.remove_prefix(word.size());
    return word;
  }
  std::uint64_t next_number() {
    const std::string_view word = next();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (word.empty() || error != std::errc() || end != word.data() + word.size()) fail("is damaged");
    return value;
  }

 private:
  std::string_view text_, line_;
};

/// GNU tar lists what is no plain ASCII as "\303", and a backslash as two.
std::string without_escapes(std::string_view word) {
  std::string plain;
  for (std::size_t at = 0; at < word.size();) {
    if (word[at] != '\\') {
      plain += word[at++];
    } else if (word.substr(at + 1, 1) == "\\") {
      plain += '\\';
      at += 2;
    } else {
      unsigned value = 0;
      const char* digits = word.data() + std::min(at + 1, word.size());
      const char* behind = word.data() + std::min(at + 4, word.size());
      const auto [end, error] = std::from_chars(digits, behind, value, 8);
      if (error != std::errc() || end != digits + 3 || value > 0xff) fail("has names that cannot be told");
      plain += static_cast<char>(value);
      at += 4;
    }
  }
  return plain;
}

/// With everything that would end a word written as tar lists it.
std::string with_escapes(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code > ' ' && code != '\\' && code != 0x7f) {
      escaped += c;
    } else {
      escaped += '\\';
      for (const int shift : {6, 3, 0}) escaped += static_cast<char>('0' + (code >> shift & 7));
    }
  }
  return escaped;
}

/// By what a tar file is known again.
struct TarState {
  std::uint64_t size = 0, time = 0;  // in bytes; of its last change, in nanoseconds since 1970
  bool operator==(const TarState&) const = default;
};

TarState state_of(const DataFile& tar) {
  const auto time = std::chrono::file_clock::to_sys(fs::last_write_time(tar.path())).time_since_epoch();
  return {tar.size(), static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count())};
}

struct TarIndex {
  std::vector<TarMember> members;
  std::optional<TarState> made_for;  // where Cairn wrote it
};

/// The labels that Cairn writes behind the samples.
void read_labels(Words& words, std::uint64_t left, std::vector<TarMember>& members) {
  for (TarMember& member : members) {
    if (member.ending() != kLabelEnding) continue;
    if (left-- == 0 || !words.next_line()) fail("is truncated");
    member.label = without_escapes(words.next());
  }
  if (left != 0) fail("is damaged");
}

TarIndex parse(std::string_view text) {
  Words words(text);
  words.next_line();
  if (const std::string_view version = words.next(); version != kVersion)
    fail(version == "v1.1" ? "names no files, as it is of version v1.1" : "is no index file of version v1.2");
  TarIndex index;
  for (std::uint64_t samples = words.next_number(); samples > 0; --samples) {
    if (!words.next_line()) fail("is truncated");
    for (std::string_view ending = words.next(); !ending.empty(); ending = words.next()) {
      const std::uint64_t offset = words.next_number(), size = words.next_number();
      index.members.push_back({without_escapes(words.next()), offset, size});
    }
  }
  if (!words.next_line() || words.next() != kLabels) return index;
  if (text.back() != '\n') fail("is truncated");
  const std::uint64_t labels = words.next_number(), size = words.next_number();
  index.made_for = {size, words.next_number()};
  read_labels(words, labels, index.members);
  return index;
}

/// Throws unless the index was written behind the last change of the tar file. One that Cairn wrote for another state
/// of it is as another program's: it names members, and labels are read where they lie.
void require_recent(const DataFile& tar, const fs::file_time_type& written, TarIndex& index) {
  if (index.made_for == state_of(tar)) return;
  if (fs::last_write_time(tar.path()) > written) fail("is older than its tar file");
  for (TarMember& member : index.members) member.label.reset();
}

/// Throws unless the first visible member from the header at byte `from` on is this one; nullptr: there is none.
void require_next(SmallReads& tar, std::uint64_t from, const TarMember* member) {
  TarWalk walk(tar, from);
  std::optional<TarMember> found = walk.next();
  while (found && found->is_hidden()) found = walk.next();
  const bool fits = member == nullptr ? !found
                                      : found && found->name == member->name && found->offset == member->offset &&
                                            found->size == member->size;
  if (!fits) fail(kUnfit);
}

/// Whether a tar file of `size` bytes has room for the member behind the header at byte `from`.
bool has_room(const TarMember& member, std::uint64_t from, std::uint64_t size) {
  return member.offset % kTarBlock == 0 && member.offset >= from + kTarBlock && member.offset <= size &&
         member.size <= size - member.offset;
}

/// Throws unless the tar file holds these members and no others. One header leads to the next where they lie close
/// together; the first, the last and what lies behind longer gaps are looked at.
void require_fit(SmallReads& tar, const std::vector<TarMember>& members) {
  std::vector<std::pair<std::uint64_t, const TarMember*>> doubtful;  // with the byte behind the member before
  std::uint64_t from = 0;
  for (const TarMember& member : members) {
    if (!has_room(member, from, tar.file().size())) fail(kUnfit);
    if (from == 0 || &member == &members.back() || member.offset > from + kTarBlock)
      doubtful.emplace_back(from, &member);
    from = member.end();
  }
  const std::size_t step = doubtful.size() / kMostGaps + 1;
  for (std::size_t i = 0; i < doubtful.size(); i += step) require_next(tar, doubtful[i].first, doubtful[i].second);
  if (!doubtful.empty()) require_next(tar, doubtful.back().first, doubtful.back().second);
  require_next(tar, from, nullptr);
}

std::string text_of(const fs::path& path) {
  const DataFile file(path);
  std::string text(file.size(), '\0');
  file.read(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return text;
}

/// An ending as DALI has it: without the dot, and a whole name that has none.
std::string extension_of(const TarMember& member) {
  const std::string_view ending = member.ending();
  return with_escapes(ending.empty() ? std::string_view(member.name) : ending.size() > 1 ? ending.substr(1) : ending);
}

}  // namespace

fs::path index_path(const fs::path& tar) { return fs::path(tar).replace_extension(".idx"); }

std::optional<std::vector<TarMember>> read_tar_index(SmallReads& tar, std::string& fault) {
  const fs::path path = index_path(tar.file().path());
  std::error_code error;
  const auto written = fs::last_write_time(path, error);
  if (error) return std::nullopt;
  try {
    TarIndex index = parse(text_of(path));
    require_recent(tar.file(), written, index);
    require_fit(tar, index.members);
    return std::move(index.members);
  } catch (const DataError& unfit) {
    fault = unfit.message();
    return std::nullopt;
  }
}

std::string tar_index_text(const fs::path& path) {
  const DataFile file(path);
  SmallReads reads(file);
  TarWalk walk(reads);
  std::string lines, labels, key;
  std::size_t samples = 0, label_count = 0;
  for (auto member = walk.next(); member; member = walk.next()) {
    if (member->is_hidden()) continue;
    const bool is_new = samples == 0 || member->key() != key;
    if (is_new) {
      key = member->key();
      ++samples;
    }
    lines += is_new ? "\n" : " ";
    lines +=
        fmt::format("{} {} {} {}", extension_of(*member), member->offset, member->size, with_escapes(member->name));
    if (member->ending() != kLabelEnding) continue;
    ++label_count;
    labels += with_escapes(label_of(reads, *member)) + "\n";
  }
  if (samples == 0) throw DataError("holds no files", path.string(), "leave it out");
  const TarState state = state_of(file);
  return fmt::format("{} {}{}\n{} {} {} {}\n{}", kVersion, samples, lines, kLabels, label_count, state.size, state.time,
                     labels);
}

}  // namespace cairn
