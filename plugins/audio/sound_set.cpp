#include "sound_set.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "cairn/csv.h"
#include "cairn/error.h"
#include "cairn/file_set.h"

namespace cairn::audio {
namespace {

namespace fs = std::filesystem;

/// What is taken for a recording when a folder is read: what libsndfile knows, then what FFmpeg adds.
FileFilter sound_files(const RawFormat& raw) {
  FileFilter filter{"audio", {".wav", ".flac", ".ogg",  ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc",
                              ".caf", ".au",   ".snd",  ".w64", ".rf64", ".m4a", ".aac", ".mp4",  ".mov",
                              ".mkv", ".mka",  ".webm", ".wma", ".avi",  ".ac3", ".amr", ".wv"}};
  if (!raw.coding.empty()) filter.extensions.insert(filter.extensions.end(), {".raw", ".pcm"});
  return filter;
}

/// Recordings by path.
class SoundFiles : public SoundSet {
 public:
  SoundFiles(FileSet files, ReadOptions reading) : files_(std::move(files)), reading_(std::move(reading)) {}

  std::int64_t size() const override { return files_.size(); }
  std::int64_t label(std::int64_t index) const override { return files_.label(index); }
  std::string name(std::int64_t index) const override { return files_.path(index).string(); }
  Sound fetch(std::int64_t index, const Excerpt& excerpt) const override {
    return read_sound(files_.path(index), reading_, excerpt);
  }
  const std::vector<std::string>& classes() const override { return files_.classes(); }

 private:
  FileSet files_;
  ReadOptions reading_;
};

/// Recordings in tar files.
class SoundShards : public SoundSet {
 public:
  SoundShards(std::unique_ptr<ShardSet> shards, ReadOptions reading)
      : shards_(std::move(shards)), reading_(std::move(reading)) {}

  std::int64_t size() const override { return shards_->size(); }
  std::int64_t label(std::int64_t index) const override { return shards_->label(index); }
  std::string name(std::int64_t index) const override { return shards_->name(index); }
  Sound fetch(std::int64_t index, const Excerpt& excerpt) const override {
    return read_sound(Recording{name(index), shards_->read(index)}, reading_, excerpt);
  }
  const std::vector<std::string>& classes() const override { return shards_->classes(); }
  ReadOrder read_order() const override { return shards_->read_order(); }

 private:
  std::unique_ptr<ShardSet> shards_;
  ReadOptions reading_;
};

/// Recordings that may belong to several classes.
class SegmentFiles : public SoundFiles {
 public:
  SegmentFiles(FileSet files, std::vector<std::vector<std::int64_t>> labels, ReadOptions reading)
      : SoundFiles(std::move(files), std::move(reading)), labels_(std::move(labels)) {}

  bool is_multi_label() const override { return true; }
  std::vector<std::int64_t> all_labels(std::int64_t index) const override {
    return labels_.at(static_cast<std::size_t>(index));
  }

 private:
  std::vector<std::vector<std::int64_t>> labels_;
};

std::unique_ptr<SoundSet> sounds_of(FileSet files, const ReadOptions& reading) {
  if (files.size() == 0) return nullptr;
  files.release_spare_memory();
  return std::make_unique<SoundFiles>(std::move(files), reading);
}

/// The fields of a file name, as a pattern such as "{label}_{speaker}_{index}.wav" says. Endings do not count.
class NamePattern {
 public:
  explicit NamePattern(const std::string& pattern) {
    const std::string stem = fs::path(pattern).stem().string();
    static const std::regex field(R"(\{([a-z_]+)\})"), special(R"([.^$|()\[\]*+?\\{}])");
    std::string text;
    auto rest = stem.cbegin();
    for (std::sregex_iterator it(stem.begin(), stem.end(), field), end; it != end; ++it) {
      text += std::regex_replace(std::string(rest, (*it)[0].first), special, R"(\$&)") + "(.+?)";
      fields_.push_back((*it)[1]);
      rest = (*it)[0].second;
    }
    text += std::regex_replace(std::string(rest, stem.cend()), special, R"(\$&)");
    if (fields_.empty())
      throw ConfigError("pattern", "has no field in braces", R"(write it like "{label}_{speaker}_{index}.wav")");
    expression_ = std::regex(text);
  }

  bool has(const std::string& field) const { return std::find(fields_.begin(), fields_.end(), field) != fields_.end(); }

  /// The fields of this name; nothing where it does not fit.
  std::optional<std::map<std::string, std::string>> match(const fs::path& name) const {
    const std::string stem = name.stem().string();
    std::smatch found;
    if (!std::regex_match(stem, found, expression_)) return std::nullopt;
    std::map<std::string, std::string> values;
    for (std::size_t i = 0; i < fields_.size(); ++i) values[fields_[i]] = found[i + 1];
    return values;
  }

 private:
  std::regex expression_;
  std::vector<std::string> fields_;
};

/// A file before classes are numbered.
struct NamedFile {
  std::string relative, label;
  bool is_test = false;
};

/// Numbers the classes of all files and takes those of one part. Without a test part, a share of each class is one.
std::unique_ptr<SoundSet> divide(const fs::path& root, const std::vector<NamedFile>& all, bool has_parts,
                                 double test_share, const ReadOptions& reading, Split split) {
  std::set<std::string> names;
  for (const NamedFile& file : all)
    if (!file.label.empty()) names.insert(file.label);
  const std::vector<std::string> classes(names.begin(), names.end());
  FileSet set(root);
  set.set_classes(classes);
  Divider divider(has_parts ? 0 : test_share);
  for (const NamedFile& file : all) {
    const auto at = std::lower_bound(classes.begin(), classes.end(), file.label);
    const std::int64_t label = file.label.empty() ? -1 : at - classes.begin();
    const bool taken = has_parts ? file.is_test == (split == Split::test) : divider.takes(split, label);
    if (taken) set.add(file.relative, label);
  }
  return sounds_of(std::move(set), reading);
}

std::unique_ptr<SoundSet> open_by_pattern(const fs::path& path, const ClipRules& rules, const ReadOptions& reading,
                                          Split split) {
  const NamePattern pattern(rules.pattern);
  if (!rules.test_field.empty() && !pattern.has(rules.test_field))
    throw ConfigError("test_field", "the pattern has no field '" + rules.test_field + "'",
                      "name one of the fields that stand in braces in the pattern");
  const auto files = open_folder(sound_files(reading.raw), path, Split::train, 0);
  if (!files) throw DataError("holds no recordings", path.string());
  std::vector<NamedFile> named;
  for (std::int64_t i = 0; i < files->size(); ++i) {
    const auto fields = pattern.match(files->path(i).filename());
    if (!fields) continue;
    NamedFile file{std::string(files->relative(i)), ""};
    if (pattern.has("label")) {
      file.label = fields->at("label");
    } else if (files->label(i) >= 0) {
      file.label = files->classes().at(static_cast<std::size_t>(files->label(i)));
    }
    if (!rules.test_field.empty())
      file.is_test = std::count(rules.test_values.begin(), rules.test_values.end(), fields->at(rules.test_field)) > 0;
    named.push_back(std::move(file));
  }
  if (named.empty())
    throw DataError("has " + std::to_string(files->size()) + " recordings, and no name fits '" + rules.pattern + "'",
                    path.string(), "correct modality.pattern");
  return divide(path, named, !rules.test_field.empty(), rules.test_share, reading, split);
}

std::string trimmed(std::string text) {
  const auto is_margin = [](char c) { return c == ' ' || c == '\r' || c == '\t'; };
  while (!text.empty() && is_margin(text.back())) text.pop_back();
  const auto begin = std::find_if_not(text.begin(), text.end(), is_margin);
  return {begin, text.end()};
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  if (!file || fs::is_directory(path)) throw DataError("cannot be read", path.string(), "name a text file");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    if (!trimmed(line).empty()) lines.push_back(line);
  return lines;
}

/// ESC-50: meta/esc50.csv has filename, fold, target, category. The test part is fold 5 unless the rules say otherwise.
std::unique_ptr<SoundSet> open_esc50(const fs::path& path, const ClipRules& rules, const ReadOptions& reading,
                                     Split split) {
  std::vector<std::string> lines = lines_of(path / "meta/esc50.csv");
  if (lines.empty()) throw DataError("is empty", (path / "meta/esc50.csv").string());
  const auto head = csv_cells(lines.front());
  const auto column = [&](const std::string& name) {
    const auto found = std::find(head.begin(), head.end(), name);
    if (found == head.end()) throw DataError("has no column '" + name + "'", (path / "meta/esc50.csv").string());
    return static_cast<std::size_t>(found - head.begin());
  };
  const std::size_t file = column("filename"), fold = column("fold"), category = column("category");
  const std::vector<std::string> test = rules.test_values.empty() ? std::vector<std::string>{"5"} : rules.test_values;
  std::vector<NamedFile> named;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto cells = csv_cells(lines[i]);
    if (cells.size() < head.size()) continue;
    named.push_back({"audio/" + cells[file], cells[category], std::count(test.begin(), test.end(), cells[fold]) > 0});
  }
  return divide(path, named, true, 0, reading, split);
}

/// Speech Commands: class folders; testing_list.txt is the test part, what validation_list.txt names is left out, and
/// so are folders that begin with an underscore (_background_noise_).
std::unique_ptr<SoundSet> open_speech_commands(const fs::path& path, const ReadOptions& reading, Split split) {
  const auto listed = [&](const char* name) {
    std::unordered_set<std::string> names;
    if (fs::exists(path / name))
      for (const std::string& line : lines_of(path / name)) names.insert(trimmed(line));
    return names;
  };
  const auto testing = listed("testing_list.txt"), validation = listed("validation_list.txt");
  const auto files = open_folder(sound_files(reading.raw), path, Split::train, 0);
  if (!files) throw DataError("holds no recordings", path.string());
  std::vector<NamedFile> named;
  for (std::int64_t i = 0; i < files->size(); ++i) {
    const std::string relative(files->relative(i));
    if (files->label(i) < 0 || relative.starts_with('_') || validation.contains(relative)) continue;
    named.push_back(
        {relative, files->classes().at(static_cast<std::size_t>(files->label(i))), testing.contains(relative)});
  }
  return divide(path, named, true, 0, reading, split);
}

/// A line of a segment list.
struct Segment {
  std::string id;
  std::vector<std::string> classes;
};

std::vector<Segment> read_segments(const fs::path& path) {
  std::vector<Segment> segments;
  for (const std::string& line : lines_of(path)) {
    if (line.starts_with('#')) continue;
    const auto cells = csv_cells(line);
    if (cells.size() != 4)
      throw DataError("has a line of " + std::to_string(cells.size()) + " cells: " + line, path.string(),
                      R"(write  id, start, end, "class,class"  as AudioSet does)");
    segments.push_back({cells[0], csv_cells(cells[3])});
  }
  return segments;
}

/// Class names in the order of a class list (index, identifier, name), else sorted.
std::vector<std::string> segment_classes(const fs::path& class_path,
                                         const std::vector<const std::vector<Segment>*>& lists) {
  std::vector<std::string> names;
  if (!class_path.empty()) {
    const auto lines = lines_of(class_path);
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const auto cells = csv_cells(lines[i]);
      if (cells.size() < 2) throw DataError("has a line without an identifier: " + lines[i], class_path.string());
      names.push_back(cells[1]);
    }
    return names;
  }
  std::set<std::string> found;
  for (const auto* list : lists)
    for (const Segment& segment : *list) found.insert(segment.classes.begin(), segment.classes.end());
  return {found.begin(), found.end()};
}

}  // namespace

std::vector<std::int64_t> SoundSet::all_labels(std::int64_t) const { return {}; }

std::unique_ptr<SoundSet> open_clips(const fs::path& path, const ClipRules& rules, const ReadOptions& reading,
                                     Split split) {
  if (!rules.pattern.empty() && fs::is_directory(path)) return open_by_pattern(path, rules, reading, split);
  if (fs::exists(path / "meta/esc50.csv")) return open_esc50(path, rules, reading, split);
  if (fs::exists(path / "testing_list.txt")) return open_speech_commands(path, reading, split);
  auto files = open_folder(sound_files(reading.raw), path, split, rules.test_share);
  return files ? sounds_of(std::move(*files), reading) : nullptr;
}

std::unique_ptr<SoundSet> open_sound_list(const fs::path& path, const fs::path& test_path, double test_share,
                                          const ReadOptions& reading, Split split) {
  auto files = open_list(sound_files(reading.raw), path, test_path, split, test_share);
  return files ? sounds_of(std::move(*files), reading) : nullptr;
}

std::unique_ptr<SoundSet> open_sound_shards(const ShardOptions& shards, const ReadOptions& reading, Split split) {
  auto opened = open_shards(sound_files(reading.raw), shards, split);
  return opened ? std::make_unique<SoundShards>(std::move(opened), reading) : nullptr;
}

std::unique_ptr<SoundSet> open_segments(const fs::path& path, const fs::path& test_path, const fs::path& folder,
                                        const fs::path& class_path, const ReadOptions& reading, Split split) {
  if (split == Split::test && test_path.empty()) return nullptr;
  const std::vector<Segment> train = read_segments(path);
  const std::vector<Segment> test = test_path.empty() ? std::vector<Segment>{} : read_segments(test_path);
  const std::vector<std::string> classes = segment_classes(class_path, {&train, &test});
  std::unordered_map<std::string, std::int64_t> number;
  for (std::size_t i = 0; i < classes.size(); ++i) number[classes[i]] = static_cast<std::int64_t>(i);

  const auto files = open_folder(sound_files(reading.raw), folder, Split::train, 0);
  std::unordered_map<std::string, std::string> by_id;  // many tools put a Y before the id, as it may begin with a dash
  for (std::int64_t i = 0; files && i < files->size(); ++i)
    by_id[fs::path(files->relative(i)).stem().string()] = files->relative(i);

  FileSet set(folder);
  set.set_classes(classes);
  std::vector<std::vector<std::int64_t>> labels;
  for (const Segment& segment : split == Split::train ? train : test) {
    auto found = by_id.find(segment.id);
    if (found == by_id.end()) found = by_id.find("Y" + segment.id);
    if (found == by_id.end()) continue;  // a part of the clips is always gone
    std::vector<std::int64_t> own;
    for (const std::string& name : segment.classes)
      if (const auto known = number.find(name); known != number.end()) own.push_back(known->second);
    set.add(found->second, own.size() == 1 ? own.front() : -1);
    labels.push_back(std::move(own));
  }
  if (set.size() == 0)
    throw DataError("none of the clips that " + path.string() + " lists is there", folder.string(),
                    "name the clips by their id, such as --4gqARaEJE.wav or Y--4gqARaEJE.wav");
  return std::make_unique<SegmentFiles>(std::move(set), std::move(labels), reading);
}

}  // namespace cairn::audio
