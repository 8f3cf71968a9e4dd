#include "cairn/file_set.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fstream>
#include <optional>
#include <set>

#include "cairn/error.h"
#include "interface/class_names.h"
#include "interface/lower_case.h"
#include "interface/part_names.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

/// The visible entries of one folder, sorted by name.
struct Listing {
  std::vector<std::string> files, folders;
  std::int64_t frames = 0;
  std::int64_t ignored = 0;

  /// Whether the folder as a whole is one sample.
  bool is_sample() const { return frames > 0 && files.empty() && folders.empty(); }
};

bool has_extension(const fs::path& name, const std::vector<std::string>& extensions) {
  const std::string lower = lower_case(name.extension().string());
  return std::find(extensions.begin(), extensions.end(), lower) != extensions.end();
}

Listing list_folder(const FileFilter& filter, const fs::path& folder) {
  Listing listing;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.starts_with('.')) continue;
    std::error_code dangling;
    // The kind comes with the directory entry; only symlinks cost a system call.
    if (it->is_directory(dangling)) {
      listing.folders.push_back(std::move(name));
    } else if (filter.matches(it->path())) {
      listing.files.push_back(std::move(name));
    } else {
      ++(filter.is_frame(it->path()) ? listing.frames : listing.ignored);
    }
  }
  if (error) throw DataError("cannot be listed (" + error.message() + ")", folder.string(), "check its permissions");
  std::sort(listing.files.begin(), listing.files.end());
  std::sort(listing.folders.begin(), listing.folders.end());
  return listing;
}

/// Walks folders and hands every sample's path, relative to the root, to a function.
class Walk {
 public:
  Walk(const FileFilter& filter, fs::path root) : filter_(filter), root_(std::move(root)) {
    std::error_code error;
    inside_.push_back(fs::canonical(root_, error).string());
  }

  template <class Take>
  void below(const std::string& relative, const Take& take) {
    const fs::path folder = root_ / relative;
    std::error_code error;
    // A symlink may lead back to a folder that we are in.
    const std::string real = fs::canonical(folder, error).string();
    if (std::find(inside_.begin(), inside_.end(), real) != inside_.end()) return;
    const Listing listing = list_folder(filter_, folder);
    if (listing.is_sample()) return take(relative);
    inside_.push_back(real);
    ignored += listing.ignored + listing.frames;
    folders += static_cast<std::int64_t>(listing.folders.size());
    const std::string prefix = relative.empty() ? "" : relative + "/";
    for (const std::string& file : listing.files) take(prefix + file);
    for (const std::string& inner : listing.folders) below(prefix + inner, take);
    inside_.pop_back();
  }

  std::int64_t ignored = 0;
  std::int64_t folders = 0;

 private:
  const FileFilter& filter_;
  fs::path root_;
  std::vector<std::string> inside_;  // the real paths from the root to here
};

[[noreturn]] void fail_empty(const FileFilter& filter, const fs::path& root, std::int64_t folders,
                             std::int64_t ignored) {
  const auto count = [](std::int64_t n, const std::string& what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  throw DataError("found " + count(folders, "sub-folder") + " but no " + filter.noun + " files (" +
                      count(ignored, "other file") + ")",
                  root.string(), "looked for " + filter.extension_list());
}

/// The folder of a part, and the classes, which are the sub-folders of all parts together.
struct FolderLayout {
  fs::path root;
  bool divided = false;  // whether the data set has a test part of its own
  std::vector<std::string> classes;
};

/// Sub-folders of `folder`, but for those that are samples themselves.
std::vector<std::string> class_folders(const FileFilter& filter, const fs::path& folder,
                                       std::vector<std::string> folders) {
  if (!filter.frames.empty())
    std::erase_if(folders, [&](const std::string& name) { return list_folder(filter, folder / name).is_sample(); });
  return folders;
}

/// The folder of this name, in upper or lower case; empty if there is none.
std::string find_named(const std::vector<std::string>& folders, std::string_view name) {
  const auto found = std::find_if(folders.begin(), folders.end(),
                                  [&](const std::string& folder) { return lower_case(folder) == name; });
  return found == folders.end() ? "" : *found;
}

/// Whether a folder "train" without a test part beside it is a class, of trains: it and another one hold files.
bool is_class(const FileFilter& filter, const fs::path& path, const std::string& train,
              const std::vector<std::string>& folders) {
  const auto holds_files = [&](const std::string& name) { return !list_folder(filter, path / name).files.empty(); };
  return holds_files(train) && std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
           return folder != train && holds_files(folder);
         });
}

/// Of a data set at `path`, which has these folders.
FolderLayout find_part(const FileFilter& filter, const fs::path& path, const std::vector<std::string>& folders,
                       Split split) {
  const std::string train = find_named(folders, "train");
  std::string test;
  for (const std::string_view name : kTestNames)
    if (test.empty()) test = find_named(folders, name);
  if (train.empty() || (test.empty() && is_class(filter, path, train, folders)))
    return {path, false, class_folders(filter, path, folders)};
  const auto classes_in = [&](const std::string& part) {
    return class_folders(filter, path / part, list_folder(filter, path / part).folders);
  };
  std::vector<std::string> classes = classes_in(train);
  if (test.empty()) return {path / train, false, classes};
  const auto more = classes_in(test);
  classes.insert(classes.end(), more.begin(), more.end());
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  return {path / (split == Split::train ? train : test), true, classes};
}

std::unique_ptr<FileSet> open_single(const fs::path& path, Split split) {
  if (split == Split::test) return nullptr;
  auto set = std::make_unique<FileSet>(path.parent_path());
  set->add(path.filename().string(), -1);
  return set;
}

/// A line of a list file.
struct Entry {
  std::string path, label;
};

/// A tab or two colons part path and label; without them the last space does, if what stands before it ends like a
/// sample of this kind, or may be a folder of frames with a number behind it.
Entry parse_entry(const FileFilter& filter, std::string_view line) {
  for (const std::string_view mark : {"\t", "::"})
    if (const std::size_t at = line.rfind(mark); at != std::string_view::npos)
      return {std::string(line.substr(0, at)), std::string(line.substr(at + mark.size()))};
  const std::size_t gap = line.rfind(' ');
  if (gap == std::string_view::npos) return {std::string(line), ""};
  const std::string_view before = line.substr(0, gap), behind = line.substr(gap + 1);
  const bool is_folder = !filter.frames.empty() && whole_number(behind);
  if (!filter.matches(before) && !filter.is_frame(before) && !is_folder) return {std::string(line), ""};
  return {std::string(before), std::string(behind)};
}

std::vector<Entry> read_list(const FileFilter& filter, const fs::path& path) {
  require_data(path);
  std::ifstream file(path);
  if (!file || fs::is_directory(path))
    throw DataError("is no list file", path.string(),
                    "name a text file with lines \"path label\"; folders have a modality of their own");
  std::vector<Entry> entries;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  for (std::string line; std::getline(file, line);) {
    if (entries.empty() && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    if (!line.empty()) entries.push_back(parse_entry(filter, line));
  }
  if (entries.empty()) throw DataError("lists nothing", path.string(), "write one \"path label\" a line");
  return entries;
}

/// The classes that several lists name together.
ClassNames class_names(const fs::path& path, const std::vector<std::vector<Entry>>& lists) {
  std::set<std::string> labels;
  for (const auto& list : lists)
    for (const Entry& entry : list) labels.insert(entry.label);
  return ClassNames::as_written(labels, path);
}

/// The entries of a list that belong to a part; nullptr if there are none.
std::unique_ptr<FileSet> part_of(const std::vector<Entry>& entries, const ClassNames& classes, const fs::path& root,
                                 Split split, double test_share) {
  auto set = std::make_unique<FileSet>(root);
  Divider divider(test_share);
  for (const Entry& entry : entries) {
    const std::int64_t label = classes.index(entry.label);
    if (label < 0 ? split == Split::train : divider.takes(split, label)) set->add(entry.path, label);
  }
  set->set_classes(classes.names());
  set->release_spare_memory();
  if (set->size() == 0) return nullptr;
  return set;
}

}  // namespace

void require_data(const fs::path& path) {
  if (path.empty()) throw DataError("no path is given", "modality.path", "set modality.path to a folder or file");
  std::error_code error;
  if (!fs::exists(path, error)) throw DataError("does not exist", path.string(), "set modality.path to existing data");
}

bool FileFilter::matches(const fs::path& name) const { return has_extension(name, extensions); }
bool FileFilter::is_frame(const fs::path& name) const { return has_extension(name, frames); }

std::string FileFilter::extension_list() const {
  std::string list;
  for (const std::string& extension : extensions) list += (list.empty() ? "" : " ") + extension;
  return list;
}

void FileSet::add(std::string_view relative, std::int64_t label) {
  starts_.push_back(paths_.size());
  paths_ += relative;
  paths_ += '\0';
  labels_.push_back(static_cast<std::int32_t>(label));
}

void FileSet::release_spare_memory() {
  paths_.shrink_to_fit();
  starts_.shrink_to_fit();
  labels_.shrink_to_fit();
}

Divider::Divider(double share) : every_(share > 0 ? std::max(2, static_cast<int>(std::lround(1 / share))) : 0) {}

bool Divider::takes(Split split, std::int64_t label) {
  if (every_ == 0) return split == Split::train;
  const auto slot = static_cast<std::size_t>(label + 1);
  if (slot >= seen_.size()) seen_.resize(slot + 1);
  const bool is_test = seen_[slot]++ % every_ == every_ - 1;
  return is_test == (split == Split::test);
}

std::unique_ptr<FileSet> open_folder(const FileFilter& filter, const fs::path& path, Split split, double test_share) {
  require_data(path);
  if (!fs::is_directory(path)) return open_single(path, split);
  Listing here = list_folder(filter, path);
  if (here.is_sample()) return open_single(path, split);
  const FolderLayout part = find_part(filter, path, here.folders, split);
  auto set = std::make_unique<FileSet>(part.root);
  Divider divider(part.divided ? 0 : test_share);
  const Split wanted = part.divided ? Split::train : split;
  std::int64_t found = 0;
  bool labelled = false;
  const auto add = [&](const std::string& file, std::int64_t label) {
    ++found;
    labelled |= label >= 0;
    // Samples outside class folders carry no label, so none of them is needed for testing.
    if (label < 0 ? wanted == Split::train : divider.takes(wanted, label)) set->add(file, label);
  };

  Walk walk(filter, part.root);
  const Listing top = part.root == path ? std::move(here) : list_folder(filter, part.root);
  for (const std::string& file : top.files) add(file, -1);
  for (const std::string& folder : top.folders) {
    const auto known = std::lower_bound(part.classes.begin(), part.classes.end(), folder);
    const bool is_class = known != part.classes.end() && *known == folder;
    walk.below(folder, [&](const std::string& file) { add(file, is_class ? known - part.classes.begin() : -1); });
  }
  if (found == 0)
    fail_empty(filter, part.root, walk.folders + static_cast<std::int64_t>(top.folders.size()),
               walk.ignored + top.ignored + top.frames);
  if (labelled) set->set_classes(part.classes);
  set->release_spare_memory();
  if (set->size() == 0) return nullptr;
  return set;
}

std::unique_ptr<FileSet> open_list(const FileFilter& filter, const fs::path& path, const fs::path& test_path,
                                   Split split, double test_share) {
  return std::move(open_lists(filter, {path}, test_path, split, test_share).front());
}

std::vector<std::unique_ptr<FileSet>> open_lists(const FileFilter& filter, const std::vector<fs::path>& paths,
                                                 const fs::path& test_path, Split split, double test_share) {
  std::vector<std::vector<Entry>> lists;
  for (const fs::path& path : paths) lists.push_back(read_list(filter, path));
  if (!test_path.empty()) lists.push_back(read_list(filter, test_path));
  const ClassNames classes = class_names(paths.front(), lists);
  std::vector<std::unique_ptr<FileSet>> sets;
  if (!test_path.empty() && split == Split::test) {
    auto set = std::make_unique<FileSet>(test_path.parent_path());
    for (const Entry& entry : lists.back()) set->add(entry.path, classes.index(entry.label));
    set->set_classes(classes.names());
    sets.push_back(std::move(set));
    return sets;
  }
  for (std::size_t i = 0; i < paths.size(); ++i)
    sets.push_back(part_of(lists[i], classes, paths[i].parent_path(), split, test_path.empty() ? test_share : 0));
  return sets;
}

}  // namespace cairn
