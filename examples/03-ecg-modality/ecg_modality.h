#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cairn/modality.h"
#include "cairn/options.h"

namespace cairn::ecg {

/// How recordings are cut into views, and views into tokens. The initialisers are the defaults.
struct CutOptions {
  std::int64_t leads = 2;
  std::int64_t length = 512;
  std::int64_t patch = 16;
  std::int64_t views = 1;

  /// Adds these options to the schema of a struct derived from this one.
  template <class O>
  static void describe(Schema<O>& s);
};

/// Excerpts [leads,length] of recordings, every lead in units of its own deviation. Where they come from is for the
/// derived class.
class EcgModality : public Modality {
 public:
  /// ConfigError if a patch does not divide the length.
  explicit EcgModality(const CutOptions& cut);

  TokenizerSpec tokenizer() const override;
  std::vector<ViewLayout> views(Purpose purpose) const override;
  void prepare(Batch& batch, Purpose purpose, Rng& rng) const override;

 private:
  CutOptions cut_;
};

struct RecordsOptions : CutOptions {
  std::string path;
  double rate = 0;
  double test_share = 0.2;
  static Schema<RecordsOptions> schema();
};

/// Recordings in WFDB format, as PhysioNet offers them: class folders of .hea files, or a folder without labels.
class Records : public EcgModality {
 public:
  explicit Records(const RecordsOptions& options) : EcgModality(options), options_(options) {}
  std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const override;

 private:
  RecordsOptions options_;
};

struct DrawnOptions : CutOptions {
  std::int64_t train_samples = 2000;
  std::int64_t test_samples = 500;
  double noise = 0.05;
  std::int64_t data_seed = 0;
  static Schema<DrawnOptions> schema();
};

/// Drawn heartbeats of four kinds; the kind is the class.
class Drawn : public EcgModality {
 public:
  explicit Drawn(const DrawnOptions& options) : EcgModality(options), options_(options) {}
  std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const override;

 private:
  DrawnOptions options_;
};

template <class O>
void CutOptions::describe(Schema<O>& s) {
  const auto option = [&](const char* name, std::int64_t CutOptions::*member, const char* doc) -> OptionSpec& {
    return s.option(name, static_cast<std::int64_t O::*>(member), doc);
  };
  option("leads", &CutOptions::leads, "leads of an excerpt, the first ones of a recording").range(1, 64);
  option("length", &CutOptions::length, "samples of each lead in an excerpt").range(16, 1 << 20);
  option("patch", &CutOptions::patch, "samples of each lead in a token").range(1, 4096);
  option("views", &CutOptions::views, "excerpts of a recording that are shown at once in training").range(1, 16);
}

}  // namespace cairn::ecg
