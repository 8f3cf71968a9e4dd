#include <vector>  // Boost.DLL 1.74 needs it before its own headers

#define BOOST_DLL_USE_STD_FS
#include <algorithm>
#include <array>
#include <boost/dll/library_info.hpp>
#include <fstream>
#include <iterator>

#include "plugin/loader.h"

namespace cairn {
namespace {

constexpr std::string_view kPrefix = "cairn_abi_";
constexpr const char* kSection = "cairnabi";

/// What a stamp says: {SDK ABI, LibTorch, cxx11 ABI, C++ standard} as written in it.
using Facts = std::array<std::string, 4>;

Facts facts(std::string_view stamp) {
  static constexpr std::array<std::string_view, 4> kMarks = {kPrefix, "__torch_", "__cxx11_", "__cpp"};
  Facts found;
  for (std::size_t i = 0; i < kMarks.size(); ++i) {
    const std::size_t mark = stamp.find(kMarks[i]);
    if (mark == std::string_view::npos) continue;
    const std::size_t begin = mark + kMarks[i].size();
    const std::size_t end = i + 1 < kMarks.size() ? stamp.find(kMarks[i + 1], begin) : std::string_view::npos;
    found[i] = stamp.substr(begin, end == std::string_view::npos ? end : end - begin);
  }
  return found;
}

/// "2_11_0_cu130" as LibTorch writes it: "2.11.0+cu130".
std::string version_text(std::string text) {
  int seen = 0;
  for (char& c : text)
    if (c == '_') c = ++seen == 3 ? '+' : '.';
  return text;
}

std::string difference(const Facts& theirs, const Facts& ours) {
  std::string out;
  const auto add = [&](std::string text) { out += (out.empty() ? "" : ", ") + std::move(text); };
  if (theirs[0] != ours[0]) add("was built for SDK ABI " + theirs[0] + "; this cairn has SDK ABI " + ours[0]);
  if (theirs[1] != ours[1])
    add("was built with LibTorch " + version_text(theirs[1]) + "; this cairn runs LibTorch " + version_text(ours[1]));
  if (theirs[2] != ours[2]) add("was built with cxx11 ABI " + theirs[2] + "; this cairn has cxx11 ABI " + ours[2]);
  if (theirs[3] != ours[3]) add("was built as C++" + theirs[3] + "; this cairn is C++" + ours[3]);
  if (out.empty()) out = "carries a stamp that this cairn does not know";
  return out;
}

std::string advice(const Facts& theirs, const Facts& ours) {
  if (theirs[0] != ours[0]) return "rebuild the plugin against this cairn's SDK";
  if (theirs[1] != ours[1]) return "rebuild the plugin with LibTorch " + version_text(ours[1]);
  return "rebuild the plugin with the flags that cairn_add_plugin() sets";
}

std::string read_fault(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (error) return "cannot be read: " + error.message();
  if (!std::filesystem::is_regular_file(status)) return "is not a file";
  if (!std::ifstream(file)) return "cannot be opened for reading";
  return {};
}

/// The stamp's name from the bytes of a file: what is left of it once `strip` took the symbol table that Boost reads.
std::string stamp_in_bytes(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  const std::size_t begin = bytes.find(kPrefix);
  return begin == std::string::npos ? "" : bytes.substr(begin, bytes.find('\0', begin) - begin);
}

/// The name of the stamp symbol, or empty; throws what Boost throws for a file that is no library.
std::string read_stamp(const std::filesystem::path& file) {
  boost::dll::library_info library(file);
  const auto symbols = library.symbols(kSection);
  const auto has_prefix = [](const std::string& symbol) { return symbol.starts_with(kPrefix); };
  const auto stamp = std::find_if(symbols.begin(), symbols.end(), has_prefix);
  if (stamp != symbols.end()) return *stamp;
  const auto sections = library.sections();
  return std::find(sections.begin(), sections.end(), kSection) != sections.end() ? stamp_in_bytes(file) : "";
}

}  // namespace

std::string_view build_stamp() { return CAIRN_STAMP_TEXT; }

std::string_view built_torch_version() { return CAIRN_TORCH_VERSION; }

std::string stamp_fault(const std::filesystem::path& file) {
  if (std::string fault = read_fault(file); !fault.empty()) return fault;
  std::string stamp;
  try {
    stamp = read_stamp(file);
  } catch (const std::exception&) {
    return "is not a shared library of this system, or is cut short; build it with cairn_add_plugin()";
  }
  if (stamp.empty()) return "is not a Cairn plugin (it has no stamp); build it with cairn_add_plugin()";
  if (stamp == build_stamp()) return {};
  const Facts theirs = facts(stamp), ours = facts(build_stamp());
  return difference(theirs, ours) + "; " + advice(theirs, ours);
}

}  // namespace cairn
