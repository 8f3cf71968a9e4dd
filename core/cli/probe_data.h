#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/probe_arguments.h"
#include "cli/probe_subject.h"
#include "evaluate/features.h"
#include "evaluate/labels.h"
#include "evaluate/metrics.h"
#include "evaluate/regions.h"
#include "evaluate/time_variants.h"

namespace cairn::cli {

/// Frozen features of the test samples, once for each view of them; the same rows in all.
using ViewFeatures = std::vector<Features>;

/// The samples of both parts of the data, what they are asked about, and their features. Keeps references.
class ProbeData {
 public:
  struct Part {
    std::unique_ptr<SampleSource> source;
    std::vector<std::int64_t> chosen;
    Split split = Split::train;
  };

  /// Error where the data lack a part, or what is asked cannot be asked of them.
  ProbeData(const ProbeArguments& arguments, const ProbeSubject& subject, at::Device device);

  const Part& train() const { return train_; }
  const Part& test() const { return test_; }
  const std::vector<std::string>& names() const { return names_; }
  std::int64_t classes() const { return static_cast<std::int64_t>(names_.size()); }
  ReadLabels labels(const SampleSource& source) const;

  /// Features of the training part, [N,D] pooled or [N,T*D] of all tokens.
  Features train_features(bool tokens) { return features(train_, tokens, {}); }
  /// Those of the plain views of each test sample, or of as many as asked for, drawn as for training.
  ViewFeatures test_features(bool tokens);
  /// Which boxes the test features are of, with --task boxes.
  const std::vector<FrameBox>& boxes() const { return boxes_; }
  /// Width of the features, or of each token.
  std::int64_t width() const { return width_; }
  /// Samples of both parts that could not be read.
  std::int64_t unreadable() const { return unreadable_; }
  /// Counts the samples of a part that could not be read, and names each once; DataError where they are too many.
  void tell_bad(const std::vector<BadSample>& bad, const Part& part);

 private:
  Part open(Split split, std::int64_t asked, std::int64_t usual) const;
  std::vector<std::string> answers() const;
  bool asks_boxes() const { return arguments_.task == Task::boxes; }
  void check_boxes() const;
  void check_time() const;
  void tell_unmatched() const;

  Embed embed(bool tokens);
  Embed cached(Embed plain, const std::string& way);
  EmbedRegions embed_regions(bool cells);
  Features box_features(SampleReader& reader, const Part& part, bool cells);
  Features with_labels(const Features& all, bool tells) const;
  Features features(const Part& part, bool tokens, const SampleDraw& draw);

  const ProbeArguments& arguments_;
  const ProbeSubject& subject_;
  at::Device device_;
  const Modality& modality_;
  std::optional<TimeVariants> variants_;  // where labels are made from the clips themselves
  std::optional<LabelTable> table_;
  Part train_, test_;
  std::vector<std::string> names_;
  std::string digest_;  // of the weights
  std::int64_t width_ = 0;
  std::int64_t unreadable_ = 0;
  std::set<std::pair<Split, std::string>> told_;  // of unreadable samples
  std::vector<FrameBox> boxes_;
  bool is_cache_told_ = false;  // that features cannot be kept
};

}  // namespace cairn::cli
