// The reader against bytes written by hand after the format's description, and against files that lie.
#include <ATen/ATen.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include "cairn/error.h"
#include "wfdb.h"

namespace cairn::ecg {
namespace {

namespace fs = std::filesystem;

void require(bool holds, const char* what) {
  if (holds) return;
  std::cerr << "failed: " << what << '\n';
  std::exit(1);
}

/// A folder that goes with the object.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("cairn-ecg-" + std::to_string(std::random_device()()));
  Folder() { fs::create_directory(path); }
  ~Folder() { fs::remove_all(path); }
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return path / name;
  }
};

bool is_refused(const fs::path& header) {
  try {
    read_header(header);
  } catch (const DataError&) {
    return true;
  }
  return false;
}

void test_words(const Folder& folder) {
  folder.write("a.dat", std::string("\x64\x00\x9c\xff\xc8\x00\x00\x80", 8));  // 100 -100 200 invalid
  const Recording a =
      read_header(folder.write("a.hea", "a 2 360/10(0) 2\na.dat 16 100(50)/mV 12 0\na.dat 16 200 12 0\n"));
  require(a.rate == 360 && a.length == 2 && a.leads.size() == 2, "the header's facts");
  const at::Tensor x = read_excerpt(a, 0, 2);
  require(x.equal(at::tensor({0.5, 1.5, -0.5, 0.0}, at::kFloat).view({2, 2})), "physical units; invalid is zero");
}

void test_twelve_bits(const Folder& folder) {
  folder.write("b.dat", std::string("\x01\xf0\xff\xff\x07\x00\x34\x12\x56", 9));  // 1 -1 2047 0 564 342
  const Recording b = read_header(folder.write("b.hea", "# a comment\nb 1 250\nb.dat 212 1\n"));
  require(b.length == 6, "the length of the file where the header has none");
  require(read_excerpt(b, 0, 6).equal(at::tensor({1, -1, 2047, 0, 564, 342}, at::kFloat).view({1, 6})), "12 bits");
  require(read_excerpt(b, 3, 2).equal(at::tensor({0, 564}, at::kFloat).view({1, 2})), "from the middle of a pair");
}

void test_liars(const Folder& folder) {
  require(is_refused(folder.write("empty.hea", "")), "an empty header");
  require(is_refused(folder.write("segments.hea", "s/2 1 250 10\n")), "several segments");
  require(is_refused(folder.write("many.hea", "m 1000000 250 10\n")), "a million leads");
  require(is_refused(folder.write("long.hea", "l 1 250 1000000000000\na.dat 16\n")), "more samples than there are");
  require(is_refused(folder.write("other.hea", "o 1 250 2\na.dat 80\n")), "another format");
  require(is_refused(folder.write("gone.hea", "g 1 250 2\nnothing.dat 16\n")), "no samples");
}

}  // namespace
}  // namespace cairn::ecg

int main() {
  const cairn::ecg::Folder folder;
  cairn::ecg::test_words(folder);
  cairn::ecg::test_twelve_bits(folder);
  cairn::ecg::test_liars(folder);
}
