#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cairn/error.h"
#include "cli/commands.h"
#include "cli/device.h"
#include "cli/probe_subject.h"
#include "cli/source_arguments.h"
#include "evaluate/attentive_probe.h"
#include "evaluate/embedding.h"
#include "evaluate/feature_cache.h"
#include "evaluate/finetune.h"
#include "evaluate/knn.h"
#include "evaluate/labels.h"
#include "evaluate/linear_probe.h"
#include "evaluate/metrics.h"
#include "evaluate/regions.h"
#include "evaluate/ridge_probe.h"
#include "evaluate/significance.h"
#include "model/named_state.h"
#include "report/progress_bar.h"

namespace cairn::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  SourceArguments source;
  ProbeRequest request;
  std::string kind = "linear";
  std::string labels = "classes";
  Task task = Task::classes;
  std::int64_t views = 0;
  std::string recipe = "cairn";
  double low_shot = 0.0;
  std::int64_t seeds = 1;
  std::int64_t train_samples = 0, test_samples = 0;
  std::int64_t neighbours = 0;
  std::int64_t epochs = 0;
  std::int64_t blocks = -1;
  std::vector<double> lrs, weight_decays;
  std::string device = "auto";
  std::string cache;
  bool raw = false;
  bool json = false;
};

/// One probe with one seed: the answers [M,C] for the test samples, and what a person may want to know of how they came
/// about.
struct Outcome {
  at::Tensor answers, truth;
  Json facts = Json::object();
  std::vector<FrameBox> boxes = {};  // which the answers are about, with --task boxes
};

/// Frozen features of the test samples, once for each view of them; the same rows in all.
using ViewFeatures = std::vector<Features>;

at::Tensor mean_answer(const Answer& answer, const ViewFeatures& views) {
  at::Tensor sum = answer(views.front().x);
  for (std::size_t i = 1; i < views.size(); ++i) sum = sum + answer(views[i].x);
  return sum / static_cast<double>(views.size());
}

/// The two things that a clip is made into, by the labels that are asked for.
std::vector<std::string> variant_names(const std::string& labels) {
  return labels == "arrow" ? std::vector<std::string>{"reversed", "forward"}
                           : std::vector<std::string>{"usual", "double"};
}

constexpr std::size_t kMostNamed = 5;  // samples that cannot be read and are named one by one

/// Names the samples that could not be read; DataError where they are more than `max_share` of all.
void tell_bad(const std::vector<BadSample>& bad, std::int64_t all, double max_share) {
  if (bad.empty()) return;
  if (static_cast<double>(bad.size()) > max_share * static_cast<double>(all))
    throw DataError(fmt::format("{} of {} samples cannot be read, more than modality.max_bad_share = {} allows; the "
                                "first one: {} ({})",
                                bad.size(), all, max_share, bad.front().name, bad.front().reason),
                    "", "mend or remove what cannot be read, or raise modality.max_bad_share");
  for (std::size_t i = 0; i < std::min(bad.size(), kMostNamed); ++i)
    std::cerr << fmt::format("left out: {}: {}\n", bad[i].name, bad[i].reason);
  if (bad.size() > kMostNamed) std::cerr << fmt::format("left out: {} more\n", bad.size() - kMostNamed);
}

/// The samples of both parts of the data, and what is known of them.
class Probing {
 public:
  Probing(const Arguments& arguments, const ProbeSubject& subject, at::Device device)
      : arguments_(arguments), subject_(subject), device_(device), modality_(*subject.modality) {
    const EvaluateSettings& settings = subject.evaluate;
    train_ = open(Split::train, arguments.train_samples, settings.final_train_samples);
    test_ = open(Split::test, arguments.test_samples, settings.final_test_samples);
    if (asks_table()) table_.emplace(arguments.labels);
    names_ = answers();
    if (names_.empty() || (names_.size() < 2 && arguments.task == Task::classes))
      throw Error("the data carries no labels of two classes or more", "", "probe with labelled data: --data PATH");
    if (arguments.raw && (arguments.kind == "attentive" || arguments.kind == "finetune"))
      throw Error("raw input has no tokens and nothing to tune", "", "choose --kind linear or knn");
    if (asks_time()) check_time();
    if (asks_boxes()) check_boxes();
  }

  const std::vector<std::string>& names() const { return names_; }
  std::int64_t classes() const { return static_cast<std::int64_t>(names_.size()); }
  /// Samples of both parts whose features could not be made since they could not be read.
  std::int64_t unreadable() const { return unreadable_; }

  Outcome run(std::uint64_t seed) {
    if (arguments_.kind == "finetune") return tune(seed);
    const bool tokens = arguments_.kind == "attentive";
    if (features_train_.size() == 0) {
      features_train_ = features(train_, tokens, {});
      features_test_ = test_features(tokens);
    }
    const Features train =
        arguments_.low_shot > 0.0 ? low_shot(features_train_, arguments_.low_shot, seed) : features_train_;
    Outcome outcome;
    outcome.truth = features_test_.front().y;
    outcome.boxes = boxes_;
    outcome.facts = {{"train", train.size()}, {"width", width_}};
    outcome.answers = mean_answer(learn(train, seed, outcome.facts), features_test_);
    return outcome;
  }

 private:
  struct Part {
    std::unique_ptr<SampleSource> source;
    std::vector<std::int64_t> chosen;
    Split split = Split::train;
  };

  std::vector<std::string> answers() const {
    if (asks_time()) return variant_names(arguments_.labels);
    return table_ ? answer_names(arguments_.task, *table_) : answer_names(arguments_.task, *train_.source);
  }

  ReadLabels labels(const SampleSource& source) const {
    return table_ ? table_labels(arguments_.task, *table_, source) : carried_labels(arguments_.task);
  }

  /// The trained head, and in `facts` what it chose.
  Answer learn(const Features& train, std::uint64_t seed, Json& facts) const {
    if (arguments_.kind == "knn") {
      const KnnOptions options{arguments_.neighbours > 0 ? arguments_.neighbours : subject_.evaluate.neighbours};
      facts["neighbours"] = options.neighbours;
      return [=, this](const at::Tensor& x) { return knn_votes(train.x, train.y, x, classes(), options); };
    }
    if (arguments_.kind == "attentive") {
      const auto head = std::make_shared<AttentiveProbe>(train, width_, classes(), attentive(seed));
      facts["lr"] = head->lr();
      facts["weight_decay"] = head->weight_decay();
      facts["blocks"] = attentive(seed).blocks;
      return [head](const at::Tensor& x) { return (*head)(x); };
    }
    if (arguments_.task == Task::values) {
      const auto head = std::make_shared<RidgeProbe>(train, RidgeProbeOptions{.seed = seed});
      facts["penalty"] = head->penalty();
      return [head](const at::Tensor& x) { return (*head)(x); };
    }
    const auto head = std::make_shared<LinearProbe>(train, classes(), LinearProbeOptions{.seed = seed});
    facts["c"] = head->c();
    return [head](const at::Tensor& x) { return (*head)(x); };
  }

  Part open(Split split, std::int64_t asked, std::int64_t usual) const {
    Part part;
    part.split = split;
    part.source = modality_.open(split, Purpose::evaluate);
    if (!part.source || part.source->size() == 0)
      throw Error(fmt::format("the data has no {} part", split == Split::train ? "training" : "test"), "",
                  "name data with train/ and val/ or test/ beneath: --data PATH");
    part.chosen = choose_samples(part.source->size(), asked > 0 ? asked : usual, subject_.seed,
                                 static_cast<std::uint64_t>(split));
    return part;
  }

  /// Are the labels made from the clips themselves?
  bool asks_time() const { return arguments_.labels == "arrow" || arguments_.labels == "speed"; }
  bool asks_table() const { return !asks_time() && arguments_.labels != "classes"; }

  bool asks_boxes() const { return arguments_.task == Task::boxes; }

  void check_boxes() const {
    if (arguments_.labels != "classes" || arguments_.views > 0 || arguments_.raw || arguments_.kind == "finetune")
      throw Error("--task boxes works on frozen features of whole frames, with the boxes and labels of the data", "",
                  "give a table of boxes as --data, to a --modality that reads it; leave out --labels, --views and "
                  "--raw; choose --kind attentive, linear or knn");
  }

  void check_time() const {
    if (arguments_.task != Task::classes || arguments_.views > 0)
      throw Error(
          fmt::format("--labels {} asks about one plain view of a clip, and has two classes", arguments_.labels), "",
          "leave out --task and --views");
    if (arguments_.kind == "finetune")
      throw Error(fmt::format("--labels {} works on frozen features", arguments_.labels), "", "choose another --kind");
    if (time_axis() < 0)
      throw Error(fmt::format("--labels {} needs data with a time axis", arguments_.labels), "",
                  "probe a network of video or audio");
  }

  int time_axis() const {
    const auto axes = modality_.tokenizer().axes;
    const auto found = std::find(axes.begin(), axes.end(), Axis::time);
    return found == axes.end() ? -1 : static_cast<int>(found - axes.begin());
  }

  Embed embed(bool tokens) {
    if (arguments_.raw) return raw_input();
    Branch& branch = *subject_.branch;
    const std::vector<std::int64_t>& segments = subject_.evaluate.segments;
    const Embed every_token = [&branch](const View& view) {
      return branch.encoder().encode(view, {}).tokens.flatten(1);
    };
    const Embed plain = tokens ? every_token : branch_embedding(branch, segments);
    return cached(plain, tokens ? " tokens" : fmt::format(" pooled {}", fmt::join(segments, " ")));
  }

  /// `plain`, which embeds in this `way`, with its features kept between calls unless that is not wanted.
  Embed cached(Embed plain, const std::string& way) {
    const auto folder = arguments_.cache.empty() ? subject_.features : std::filesystem::path(arguments_.cache);
    if (folder.empty() || folder == "none") return plain;
    if (digest_.empty()) digest_ = weights_digest(*subject_.branch);
    return cached_embed(std::move(plain), digest_ + subject_.encoder_type + way, folder);
  }

  EmbedRegions embed_regions(bool cells) {
    return [this, plain = region_embedding(*subject_.branch, cells), cells](const View& view, const Regions& regions) {
      const at::Tensor places = at::cat({regions.row.to(at::kFloat).unsqueeze(1), regions.edges}, 1).cpu().contiguous();
      const std::span values(places.const_data_ptr<float>(), static_cast<std::size_t>(places.numel()));
      return cached([&](const View& seen) { return plain(seen, regions); },
                    fmt::format(" boxes {} {}", cells, fmt::join(values, " ")))(view);
    };
  }

  /// Features of the boxes of a part, and, of the test part, which they are.
  Features box_features(SampleReader& reader, const Part& part, bool cells) {
    RegionFeatures found = collect_regions(reader, embed_regions(cells), device_, subject_.train.workers);
    if (part.split == Split::test) boxes_ = std::move(found.boxes);
    return std::move(found.features);
  }

  Features features(const Part& part, bool tokens, const SampleDraw& draw) {
    width_ = subject_.branch->encoder().width();
    const EvaluateSettings& settings = subject_.evaluate;
    const std::int64_t workers = subject_.train.workers;
    const auto varied = draw.purpose == Purpose::evaluate ? nullptr : modality_.open(part.split, draw.purpose);
    const SampleSource& source = varied ? *varied : *part.source;
    SampleReader reader(modality_, source, part.chosen, settings.batch_size, subject_.seed, 0, draw);
    Features all;
    if (asks_boxes()) {
      all = box_features(reader, part, tokens);
    } else if (asks_time()) {
      all = both_ways(reader, embed(tokens), workers);
    } else {
      all = labelled(reader.collect(embed(tokens), device_, workers, labels(source)));
    }
    if (draw.round == 0) {
      tell_bad(reader.bad(), reader.size(), subject_.max_bad_share);
      unreadable_ += all.unreadable;
    }
    if (all.size() == 0) throw Error("no labelled sample could be read", "", "check modality.path, or --data");
    if (!tokens) width_ = all.x.size(1);
    return all;
  }

  /// The plain view of each test sample, or as many views as asked for, drawn as for training.
  ViewFeatures test_features(bool tokens) {
    if (arguments_.views == 0) return {features(test_, tokens, {})};
    ViewFeatures all;
    for (std::int64_t view = 0; view < arguments_.views; ++view) {
      all.push_back(features(test_, tokens, {Purpose::pretrain, static_cast<std::uint64_t>(view)}));
      if (all.back().index != all.front().index)
        throw Error("the views of the test samples are not of the same samples", "", "leave out --views");
    }
    return all;
  }

  /// The variant of a view that carries `label`, the index of its name in variant_names().
  View variant(const View& view, std::int64_t label) const {
    View out = view;
    const std::int64_t axis = 2 + time_axis(), length = view.data.size(axis);
    if (arguments_.labels == "arrow") {
      if (label == 0) out.data = view.data.flip(axis);
      return out;
    }
    // Both have half the length, about the same middle: what differs is how much happens.
    out.data =
        label == 0 ? view.data.narrow(axis, length / 4, length / 2) : view.data.slice(axis, 0, length / 2 * 2, 2);
    out.grid = modality_.tokenizer().grid(out.data.sizes().slice(2).vec());
    return out;
  }

  /// Every sample in both variants.
  Features both_ways(SampleReader& reader, const Embed& embed, std::int64_t workers) const {
    const at::NoGradGuard no_grad;
    Features out;
    std::vector<at::Tensor> rows, labels;
    out.unreadable = reader.visit(device_, workers, [&](const Batch& batch, std::span<const std::int64_t> index) {
      for (const std::int64_t label : {1, 0}) {
        rows.push_back(embed(variant(batch.views.front(), label)).to(at::kCPU, at::kFloat));
        labels.push_back(at::full({batch.size()}, label, at::kLong));
        out.index.insert(out.index.end(), index.begin(), index.end());
      }
    });
    if (rows.empty()) return out;
    out.x = at::cat(rows);
    out.y = at::cat(labels);
    return out;
  }

  AttentiveProbeOptions attentive(std::uint64_t seed) const {
    AttentiveProbeOptions options;
    if (arguments_.recipe == "vjepa") options = vjepa_recipe();
    if (arguments_.recipe == "vjepa2") options = vjepa2_recipe(width_);
    options.task = arguments_.task;
    if (arguments_.blocks >= 0) options.blocks = arguments_.blocks;
    if (arguments_.epochs > 0) options.epochs = arguments_.epochs;
    if (!arguments_.lrs.empty()) options.lrs = arguments_.lrs;
    if (!arguments_.weight_decays.empty()) options.weight_decays = arguments_.weight_decays;
    options.seed = seed;
    options.device = device_;
    return options;
  }

  /// Fine-tunes a copy of the weights, so that every seed starts from the checkpoint.
  Outcome tune(std::uint64_t seed) {
    const NamedTensors state = named_state({{"", subject_.branch}});
    if (weights_.empty())
      for (const auto& [name, tensor] : state) weights_[name] = tensor.clone();
    load_named_state(state, weights_, subject_.origin);
    std::vector<std::int64_t> chosen = train_.chosen;
    if (arguments_.low_shot > 0.0) {
      SampleReader reader(modality_, *train_.source, chosen, subject_.evaluate.batch_size, subject_.seed);
      const Embed nothing = [](const View& view) { return at::zeros({view.data.size(0), 1}); };
      chosen = low_shot(labelled(reader.collect(nothing, device_, subject_.train.workers, labels(*train_.source))),
                        arguments_.low_shot, seed)
                   .index;
    }
    FinetuneOptions options;
    options.task = arguments_.task;
    options.views = arguments_.views;
    if (arguments_.epochs > 0) options.epochs = arguments_.epochs;
    if (!arguments_.lrs.empty()) options.lr = arguments_.lrs.front();
    if (!arguments_.weight_decays.empty()) options.weight_decay = arguments_.weight_decays.front();
    options.seed = seed;
    options.workers = subject_.train.workers;
    options.device = device_;
    const FinetuneResult r = finetune(modality_, *subject_.branch, {chosen, labels(*train_.source)},
                                      {test_.chosen, labels(*test_.source)}, classes(), options);
    return {r.answers,
            r.truth,
            {{"train", chosen.size()},
             {"epochs", options.epochs},
             {"lr", options.lr},
             {"weight_decay", options.weight_decay}}};
  }

  const Arguments& arguments_;
  const ProbeSubject& subject_;
  at::Device device_;
  const Modality& modality_;
  Part train_, test_;
  std::vector<std::string> names_;
  std::string digest_;
  NamedTensors weights_;  // as they were opened
  std::int64_t width_ = 0;
  std::int64_t unreadable_ = 0;
  std::optional<LabelTable> table_;
  Features features_train_;
  ViewFeatures features_test_;
  std::vector<FrameBox> boxes_;  // of the test features
};

/// The figure of a task.
double score(Task task, const Outcome& outcome) {
  return task == Task::boxes ? frame_map(outcome.boxes, outcome.answers, outcome.boxes, outcome.truth)
                             : quality(task, outcome.answers, outcome.truth);
}

/// Over the seeds: Student's interval; with one seed the bootstrap over the test samples.
Interval interval(Task task, const std::vector<Outcome>& outcomes) {
  if (outcomes.size() == 1) {
    const at::Tensor &answers = outcomes[0].answers, &truth = outcomes[0].truth;
    if (task == Task::boxes) return frame_map_interval(outcomes[0].boxes, answers, truth, /*seed=*/0);
    if (task == Task::classes)
      return bootstrap_share(answers.argmax(1).eq(truth).sum().item<std::int64_t>(), truth.numel(), /*seed=*/0);
    return bootstrap_rows(
        answers, truth, [task](const at::Tensor& a, const at::Tensor& t) { return quality(task, a, t); }, /*seed=*/0);
  }
  std::vector<double> values;
  for (const Outcome& outcome : outcomes) values.push_back(score(task, outcome));
  return mean_interval(values);
}

/// "48.1 % (95 % interval 45.0 to 51.2, bootstrap); chance 10.0 %", or without percent for R2.
std::string result_text(const Arguments& arguments, const Interval& found, std::int64_t classes) {
  const bool is_share = arguments.task != Task::values;
  const double factor = is_share ? 100.0 : 1.0;
  const int digits = is_share ? 1 : 3;
  std::string text = arguments.task == Task::classes ? "" : std::string(quality_name(arguments.task)) + " ";
  text += fmt::format("{:.{}f}{} (95 % interval {:.{}f} to {:.{}f}, {})", factor * found.value, digits,
                      is_share ? " %" : "", factor * found.low, digits, factor * found.high, digits,
                      arguments.seeds > 1 ? fmt::format("{} seeds", arguments.seeds) : "bootstrap");
  if (arguments.task == Task::classes) text += fmt::format("; chance {:.1f} %", 100.0 / static_cast<double>(classes));
  return text;
}

int probe(const Arguments& arguments, const Session& session) {
  const auto start = std::chrono::steady_clock::now();
  PluginLoader loader = session.loader();
  const at::Device device = choose_device(arguments.device);
  const ProbeSubject subject =
      open_subject(arguments.source.path, arguments.source.options(), arguments.request, loader, device);
  use_threads(subject.train.threads);
  Probing probing(arguments, subject, device);
  std::vector<Outcome> outcomes;
  for (std::int64_t seed = 0; seed < arguments.seeds; ++seed)
    outcomes.push_back(probing.run(static_cast<std::uint64_t>(seed)));

  const Interval found = interval(arguments.task, outcomes);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::int64_t test = outcomes.front().truth.size(0);
  if (!arguments.json) {
    std::cout << fmt::format("{} probe of {}: {}\n", arguments.kind, subject.checkpoint.string(),
                             result_text(arguments, found, probing.classes()))
              << fmt::format("{} {}, {} test {}; {}; {}\n", probing.classes(),
                             arguments.task == Task::values ? "values" : "classes", test,
                             arguments.task == Task::boxes ? "boxes" : "samples", outcomes.front().facts.dump(),
                             duration_text(seconds));
    return kDone;
  }
  const char* const name = quality_name(arguments.task);
  Json out = {{"source", arguments.source.path},
              {"checkpoint", subject.checkpoint.string()},
              {"weights", subject.origin},
              {"kind", arguments.kind},
              {"labels", arguments.labels},
              {arguments.task == Task::values ? "values" : "classes", probing.names()},
              {"test", test},
              {"views", std::max<std::int64_t>(1, arguments.views)},
              {name, {{"value", found.value}, {"low", found.low}, {"high", found.high}}},
              {"interval", arguments.seeds > 1 ? "student over seeds"
                                               : fmt::format("bootstrap over test {}",
                                                             arguments.task == Task::boxes ? "frames" : "samples")},
              {"seconds", seconds},
              {"seeds", Json::array()}};
  if (arguments.kind != "finetune") out["unreadable"] = probing.unreadable();
  for (const Outcome& outcome : outcomes) {
    Json facts = {{name, score(arguments.task, outcome)}};
    facts.update(outcome.facts);
    if (arguments.task == Task::values) {
      facts["r2_of_each"] = explained_variance(outcome.answers, outcome.truth);
      facts["absolute_error_of_each"] = absolute_error(outcome.answers, outcome.truth);
    }
    out["seeds"].push_back(std::move(facts));
  }
  std::cout << out.dump(2) << '\n';
  return kDone;
}

}  // namespace

void add_probe(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("probe", "Measures what a trained encoder's features are good for");
  auto arguments = std::make_shared<Arguments>();
  arguments->source.add_to(*command, "RUN|CHECKPOINT");
  command
      ->add_option("--kind", arguments->kind,
                   "linear: logistic regression on pooled features; knn: nearest neighbours; attentive: a learned "
                   "query over the tokens (V-JEPA); finetune: the whole encoder is trained")
      ->check(CLI::IsMember({"linear", "knn", "attentive", "finetune"}))
      ->capture_default_str();
  command->add_option("--data", arguments->request.data, "labelled data, for a run instead of its own: modality.path")
      ->type_name("PATH");
  command
      ->add_option("--modality", arguments->request.modality,
                   "what reads and prepares the data: modality.type; default: as the source says")
      ->type_name("TYPE");
  command
      ->add_option("--set", arguments->request.sets,
                   "override one setting of the run's experiment; of other weights one of modality, evaluate, train, "
                   "or seed; may be given again")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--labels", arguments->labels,
                   "classes of the data; arrow: does the clip run forward? speed: does it run at twice the speed? Or a "
                   "table: CSV whose first line names the columns and whose first column holds paths of samples")
      ->type_name("classes|arrow|speed|FILE.csv")
      ->capture_default_str();
  const std::map<std::string, Task> tasks = {
      {"classes", Task::classes}, {"multi-label", Task::multi_label}, {"values", Task::values}, {"boxes", Task::boxes}};
  command
      ->add_option("--task", arguments->task,
                   "classes: one of a sample (accuracy); multi-label: several (mAP); values: numbers of a table (R2); "
                   "boxes: several of each box that samples carry (frame mAP)")
      ->transform(CLI::CheckedTransformer(tasks))
      ->type_name("classes|multi-label|values|boxes");
  command
      ->add_option("--views", arguments->views,
                   "test on the mean answer to this many views of a sample (crops, clips), drawn as for training")
      ->check(CLI::Range(1, 256));
  command
      ->add_option("--low-shot", arguments->low_shot,
                   "learn from this many samples a class (1 or more), or this share of each class (less than 1)")
      ->check(CLI::PositiveNumber);
  command->add_option("--seeds", arguments->seeds, "repeat with this many seeds")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--train-samples", arguments->train_samples, "instead of evaluate.final_train_samples")
      ->check(CLI::PositiveNumber);
  command->add_option("--test-samples", arguments->test_samples, "instead of evaluate.final_test_samples")
      ->check(CLI::PositiveNumber);
  command->add_option("--neighbours", arguments->neighbours, "k of knn, instead of evaluate.neighbours")
      ->check(CLI::PositiveNumber);
  command->add_option("--epochs", arguments->epochs, "of attentive (20) and finetune (10)")->check(CLI::PositiveNumber);
  command
      ->add_option("--blocks", arguments->blocks,
                   "self-attention blocks before the query of attentive, instead of the recipe's")
      ->check(CLI::Range(0, 64));
  command
      ->add_option("--recipe", arguments->recipe,
                   "of attentive. cairn: no block, 6 heads of 3 rates x 2 decays; vjepa: no block, one head; vjepa2: 3 "
                   "blocks, 20 heads of 5 rates x 4 decays")
      ->check(CLI::IsMember({"cairn", "vjepa", "vjepa2"}))
      ->capture_default_str();
  command->add_option("--lr", arguments->lrs, "learning rates of attentive, one head each; of finetune, the first")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--weight-decay", arguments->weight_decays,
                   "weight decays of attentive, one head each; of finetune, the first")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--cache", arguments->cache,
                   "folder of frozen features, found again by content; default: features/ in a "
                   "run, else none; none: keep nothing")
      ->type_name("FOLDER|none");
  command->add_option("--device", arguments->device, "auto, cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_flag("--raw", arguments->raw, "probe the input itself instead of features: a floor");
  command->add_flag("--json", arguments->json, "print facts as JSON");
  command->callback([arguments, &session] { session.action = [=, &session] { return probe(*arguments, session); }; });
}

}  // namespace cairn::cli
