// The one idea of a source: load() opens file `index`, takes what it needs and keeps nothing, since several threads
// load at once. Finding files, labels from folders and the test part are cairn/file_set.h's.
#include <ATen/ATen.h>

#include "cairn/error.h"
#include "cairn/file_set.h"
#include "ecg_modality.h"
#include "wfdb.h"

namespace cairn::ecg {
namespace {

class RecordSource : public SampleSource {
 public:
  RecordSource(FileSet files, const RecordsOptions& options, Purpose purpose)
      : files_(std::move(files)), options_(options), purpose_(purpose) {}

  std::int64_t size() const override { return files_.size(); }
  std::string name(std::int64_t index) const override { return files_.path(index).string(); }
  std::vector<std::string> classes() const override { return files_.classes(); }

  Sample load(std::int64_t index, Rng& rng) const override {
    const Recording recording = read_header(files_.path(index));
    require_fit(recording, name(index));
    const std::int64_t spare = recording.length - options_.length;
    const bool is_plain = purpose_ == Purpose::evaluate;
    Sample sample;
    sample.id = index;
    sample.label = files_.label(index);
    for (std::int64_t view = 0; view < (is_plain ? 1 : options_.views); ++view) {
      const std::int64_t begin = is_plain ? spare / 2 : rng.integer(0, spare);
      sample.views.push_back(read_excerpt(recording, begin, options_.length).narrow(0, 0, options_.leads));
    }
    return sample;
  }

 private:
  void require_fit(const Recording& recording, const std::string& file) const {
    if (static_cast<std::int64_t>(recording.leads.size()) < options_.leads)
      throw DataError("has " + std::to_string(recording.leads.size()) + " leads", file, "set modality.leads");
    if (recording.length < options_.length)
      throw DataError("has " + std::to_string(recording.length) + " samples", file, "set modality.length");
    if (options_.rate > 0 && recording.rate != options_.rate)
      throw DataError("was taken at " + std::to_string(recording.rate) + " Hz", file, "resample it");
  }

  FileSet files_;
  RecordsOptions options_;
  Purpose purpose_;
};

}  // namespace

Schema<RecordsOptions> RecordsOptions::schema() {
  using O = RecordsOptions;
  Schema<O> s("Electrocardiograms in WFDB format, as PhysioNet offers them");
  s.option("path", &O::path, "folder of .hea files, or of class folders").path().required();
  CutOptions::describe(s);
  s.option("rate", &O::rate, "samples a second that a recording must have; 0: any").range(0, 1e6);
  s.option("test_share", &O::test_share, "share for testing where there is no folder test/ or val/").range(0, 0.9);
  return s;
}

std::unique_ptr<SampleSource> Records::open(Split split, Purpose purpose) const {
  static const FileFilter headers{"recording", {".hea"}};
  auto files = open_folder(headers, options_.path, split, options_.test_share);
  return files ? std::make_unique<RecordSource>(std::move(*files), options_, purpose) : nullptr;
}

}  // namespace cairn::ecg
