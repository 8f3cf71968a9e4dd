#include "cli/probe_data.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iostream>
#include <utility>

#include "cairn/error.h"
#include "evaluate/embedding.h"
#include "evaluate/feature_cache.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kMostNamed = 5;  // samples that cannot be read and are named one by one

}  // namespace

ProbeData::ProbeData(const ProbeArguments& arguments, const ProbeSubject& subject, at::Device device)
    : arguments_(arguments), subject_(subject), device_(device), modality_(*subject.modality) {
  const EvaluateSettings& settings = subject.evaluate;
  train_ = open(Split::train, arguments.train_samples, settings.final_train_samples);
  test_ = open(Split::test, arguments.test_samples, settings.final_test_samples);
  if (asks_boxes()) check_boxes();
  if (TimeVariants::is_kind(arguments.labels)) {
    check_time();
    variants_.emplace(arguments.labels, modality_);
  } else if (arguments.labels != "classes") {
    table_.emplace(arguments.labels);
    tell_unmatched();
  }
  names_ = answers();
  if (names_.empty() || (names_.size() < 2 && arguments.task == Task::classes))
    throw Error("the data carries no labels of two classes or more", "", "probe with labelled data: --data PATH");
  if (arguments.raw && (arguments.kind == "attentive" || arguments.kind == "finetune"))
    throw ConfigError("--raw", "raw input has no tokens and nothing to tune", "choose --kind linear or knn");
}

/// Says which paths of the table are of no sample of the data: a misspelt one would go unseen.
void ProbeData::tell_unmatched() const {
  const SampleSource* const sources[] = {train_.source.get(), test_.source.get()};
  const std::vector<std::string> paths = table_->unmatched(sources);
  if (!paths.empty())
    std::cerr << fmt::format("{}: paths that match no sample of the data: {} of {}, such as '{}'\n",
                             table_->path().string(), paths.size(), table_->rows().size(), paths.front());
}

std::vector<std::string> ProbeData::answers() const {
  if (variants_) return variants_->names();
  return table_ ? answer_names(arguments_.task, *table_) : answer_names(arguments_.task, *train_.source);
}

ReadLabels ProbeData::labels(const SampleSource& source) const {
  return table_ ? table_labels(arguments_.task, *table_, source) : carried_labels(arguments_.task);
}

ProbeData::Part ProbeData::open(Split split, std::int64_t asked, std::int64_t usual) const {
  Part part;
  part.split = split;
  part.source = modality_.open(split, Purpose::evaluate);
  if (!part.source || part.source->size() == 0)
    throw Error(fmt::format("the data has no {} part", split == Split::train ? "training" : "test"), "",
                "name data with train/ and val/ or test/ beneath: --data PATH");
  part.chosen =
      choose_samples(part.source->size(), asked > 0 ? asked : usual, subject_.seed, static_cast<std::uint64_t>(split));
  return part;
}

void ProbeData::check_boxes() const {
  if (arguments_.labels != "classes" || arguments_.views > 0 || arguments_.raw || arguments_.kind == "finetune")
    throw ConfigError("--task", "boxes works on frozen features of whole frames, with the boxes and labels of the data",
                      "give a table of boxes as --data, to a --modality that reads it; leave out --labels, --views and "
                      "--raw; choose --kind attentive, linear or knn");
}

void ProbeData::check_time() const {
  if (arguments_.task != Task::classes || arguments_.views > 0)
    throw ConfigError("--labels",
                      fmt::format("{} asks about one plain view of a clip, and has two classes", arguments_.labels),
                      "leave out --task and --views");
  if (arguments_.kind == "finetune")
    throw ConfigError("--labels", fmt::format("{} works on frozen features", arguments_.labels),
                      "choose another --kind");
}

Embed ProbeData::embed(bool tokens) {
  if (arguments_.raw) return raw_input();
  Branch& branch = *subject_.branch;
  const std::vector<std::int64_t>& segments = subject_.evaluate.segments;
  const Embed every_token = [&branch](const View& view) { return branch.encoder().encode(view, {}).tokens.flatten(1); };
  const Embed plain = tokens ? every_token : branch_embedding(branch, segments);
  return cached(plain, tokens ? " tokens" : fmt::format(" pooled {}", fmt::join(segments, " ")));
}

/// `plain`, which embeds in this `way`, with its features kept between calls unless that is not wanted.
Embed ProbeData::cached(Embed plain, const std::string& way) {
  const auto folder = arguments_.cache.empty() ? subject_.features : std::filesystem::path(arguments_.cache);
  if (folder.empty() || folder == "none") return plain;
  if (digest_.empty()) digest_ = weights_digest(*subject_.branch);
  const std::string key = digest_ + subject_.encoder_type + way;
  if (!arguments_.cache.empty()) return cached_embed(std::move(plain), key, folder);
  // Nobody asked for the folder in a run, which may be another person's.
  return cached_embed(std::move(plain), key, folder, [this](const Error& fault) {
    if (!std::exchange(is_cache_told_, true)) std::cerr << fmt::format("warning: {}\n", fault.what());
  });
}

EmbedRegions ProbeData::embed_regions(bool cells) {
  return [this, plain = region_embedding(*subject_.branch, cells), cells](const View& view, const Regions& regions) {
    const at::Tensor places = at::cat({regions.row.to(at::kFloat).unsqueeze(1), regions.edges}, 1).cpu().contiguous();
    const std::span values(places.const_data_ptr<float>(), static_cast<std::size_t>(places.numel()));
    return cached([&](const View& seen) { return plain(seen, regions); },
                  fmt::format(" boxes {} {}", cells, fmt::join(values, " ")))(view);
  };
}

/// Features of the boxes of a part, and, of the test part, which they are.
Features ProbeData::box_features(SampleReader& reader, const Part& part, bool cells) {
  RegionFeatures found = collect_regions(reader, embed_regions(cells), device_, subject_.train.workers);
  if (part.split == Split::test) boxes_ = std::move(found.boxes);
  return std::move(found.features);
}

void ProbeData::tell_bad(const std::vector<BadSample>& bad, const Part& part) {
  if (is_too_many(std::ssize(bad), std::ssize(part.chosen), subject_.max_bad_share))
    throw too_many_bad(std::ssize(bad), std::ssize(part.chosen), subject_.max_bad_share, bad.back());
  std::size_t fresh = 0;
  for (const BadSample& sample : bad) {
    if (!told_.insert({part.split, sample.name}).second) continue;
    if (++fresh <= kMostNamed) std::cerr << fmt::format("left out: {}: {}\n", sample.name, sample.reason);
  }
  if (fresh > kMostNamed) std::cerr << fmt::format("left out: {} more\n", fresh - kMostNamed);
  unreadable_ += static_cast<std::int64_t>(fresh);
}

/// The rows that have a label; says how many a table leaves without.
Features ProbeData::with_labels(const Features& all, bool tells) const {
  Features known = labelled(all);
  if (!table_) return known;
  if (known.size() == 0 && all.size() > 0)
    throw DataError(fmt::format("none of the {} samples that were read stands in it", all.size()),
                    table_->path().string(), "its first column holds paths as the data name them, or their ends");
  if (tells && known.size() < all.size())
    std::cerr << fmt::format("left out: {} of {} samples do not stand in {}\n", all.size() - known.size(), all.size(),
                             table_->path().string());
  return known;
}

Features ProbeData::features(const Part& part, bool tokens, const SampleDraw& draw) {
  width_ = subject_.branch->encoder().width();
  const EvaluateSettings& settings = subject_.evaluate;
  const std::int64_t workers = subject_.train.workers;
  const bool is_first = draw.round == 0 && draw.view == 0;
  const auto varied = draw.purpose == Purpose::evaluate ? nullptr : modality_.open(part.split, draw.purpose);
  const SampleSource& source = varied ? *varied : *part.source;
  SampleReader reader(modality_, source, part.chosen, settings.batch_size, subject_.seed, 0, draw);
  Features all;
  if (asks_boxes()) {
    all = box_features(reader, part, tokens);
  } else if (variants_) {
    all = variants_->collect(reader, embed(tokens), device_, workers);
  } else {
    all = with_labels(reader.collect(embed(tokens), device_, workers, labels(source)), is_first);
  }
  if (is_first) tell_bad(reader.bad(), part);
  if (all.size() == 0) throw Error("no labelled sample could be read", "", "check modality.path, or --data");
  if (!tokens) width_ = all.x.size(1);
  return all;
}

ViewFeatures ProbeData::test_features(bool tokens) {
  const bool is_drawn = arguments_.views > 0;
  const auto plain = static_cast<std::int64_t>(modality_.views(Purpose::evaluate).size());
  ViewFeatures all;
  for (std::int64_t view = 0; view < (is_drawn ? arguments_.views : plain); ++view) {
    const auto number = static_cast<std::uint64_t>(view);
    all.push_back(features(
        test_, tokens, is_drawn ? SampleDraw{Purpose::pretrain, number} : SampleDraw{Purpose::evaluate, 0, number}));
    if (all.back().index != all.front().index)
      throw Error("the views of the test samples are not of the same samples", "", "leave out --views");
  }
  return all;
}

}  // namespace cairn::cli
