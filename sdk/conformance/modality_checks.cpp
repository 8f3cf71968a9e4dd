#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>

#include "cairn/error.h"
#include "checkpoint/option_table.h"
#include "conformance/checks.h"
#include "conformance/network_checks.h"
#include "conformance/scratch.h"
#include "data/view_check.h"

namespace cairn::conformance {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSamples = 6;
constexpr std::int64_t kDamagedFiles = 3;

Sample load(const SampleSource& source, std::int64_t index) {
  Rng rng(3, Stream::load, 1, static_cast<std::uint64_t>(index));
  return source.load(index, rng);
}

bool same_sample(const Sample& a, const Sample& b) {
  const auto same = [](const at::Tensor& x, const at::Tensor& y) {
    // Values that are no number are another check's.
    return x.sizes() == y.sizes() && x.scalar_type() == y.scalar_type() &&
           at::equal(at::nan_to_num(x), at::nan_to_num(y));
  };
  if (a.label != b.label || a.id != b.id ||
      !std::equal(a.views.begin(), a.views.end(), b.views.begin(), b.views.end(), same))
    return false;
  return std::equal(a.extra.begin(), a.extra.end(), b.extra.begin(), b.extra.end(),
                    [&](const auto& x, const auto& y) { return x.first == y.first && same(x.second, y.second); });
}

std::int64_t tried(const SampleSource& source) { return std::min(kSamples, source.size()); }

std::string check_repeat(const SampleSource& source) {
  const std::int64_t count = tried(source);
  std::vector<Sample> first;
  for (std::int64_t index = 0; index < count; ++index) first.push_back(load(source, index));
  const auto differs = [&]() -> std::int64_t {
    for (std::int64_t index = count - 1; index >= 0; --index)
      if (!same_sample(load(source, index), first[static_cast<std::size_t>(index)])) return index;
    return -1;
  };
  std::vector<std::future<std::int64_t>> threads;
  for (int thread = 0; thread < 4; ++thread) threads.push_back(std::async(std::launch::async, differs));
  for (auto& thread : threads)
    if (const std::int64_t index = thread.get(); index >= 0)
      throw Fault{fmt::format("sample {} ({}) came out otherwise on another thread", index, source.name(index))};
  return fmt::format("{} samples on 4 threads", count);
}

Batch prepared(const Modality& modality, const SampleSource& source, Purpose purpose) {
  std::vector<Sample> samples;
  for (std::int64_t index = 0; index < tried(source); ++index) samples.push_back(load(source, index));
  Batch batch = modality.collate(samples, purpose);
  Rng rng(3, Stream::prepare);
  modality.prepare(batch, purpose, rng);
  return batch;
}

std::string check_shapes(const Modality& modality, const SampleSource& source, Purpose purpose) {
  const TokenizerSpec tokenizer = modality.tokenizer();
  require(tokenizer.patch.size() == tokenizer.axes.size() && !tokenizer.axes.empty(),
          "the tokenizer's patch and axes differ");
  const auto layouts = modality.views(purpose);
  require(!layouts.empty(), "views() declares none");
  const Batch batch = prepared(modality, source, purpose);
  require(batch.views.size() == layouts.size(),
          fmt::format("{} views, declared {}", batch.views.size(), layouts.size()));
  require(purpose == Purpose::pretrain || layouts.size() == 1, "more than one view for evaluation");
  require(batch.size() == tried(source), "the batch has not a row for each sample");
  std::string text;
  for (std::size_t v = 0; v < layouts.size(); ++v) {
    const View& view = batch.views[v];
    require(layouts[v].grid.extent.size() == tokenizer.axes.size(),
            fmt::format("view {} has another number of axes", v));
    const std::vector<std::int64_t> expected = view_shape(tokenizer, layouts[v].grid, batch.size());
    require(view.data.sizes() == at::IntArrayRef(expected),
            fmt::format("view {} is {}, declared {}", v, shape_text(view.data.sizes()), shape_text(expected)));
    require(view.data.scalar_type() == at::kFloat, fmt::format("view {} is no float after prepare()", v));
    require(view.grid == layouts[v].grid && view.role == layouts[v].role,
            fmt::format("view {} has another grid or role", v));
    require(view.data.isfinite().all().item<bool>(), fmt::format("view {} has values that are not finite", v));
    if (v == 0)
      text = fmt::format("{} of {}, deviation {:.2f}", layouts.size() == 1 ? "a view" : "views",
                         layouts[v].grid.text() + " tokens", view.data.std().item<double>());
  }
  return text;
}

std::string check_labels(const SampleSource& source) {
  const std::vector<std::string> names = source.classes();
  const auto classes = static_cast<std::int64_t>(names.size());
  for (auto name = names.begin(); name != names.end(); ++name)
    require(std::find(name + 1, names.end(), *name) == names.end(), "two classes are called '" + *name + "'");
  for (std::int64_t index = 0; index < tried(source); ++index) {
    const Sample sample = load(source, index);
    require(sample.label >= -1 && sample.label < std::max<std::int64_t>(classes, 0),
            fmt::format("sample {} has label {} of {} classes", index, sample.label, classes));
    require(!source.name(index).empty(), fmt::format("sample {} has no name", index));
  }
  return fmt::format("{} samples, {} classes, the first is {}", source.size(), classes, source.name(0));
}

std::string check_patches(const Modality& modality, const SampleSource& source) {
  const Batch batch = prepared(modality, source, Purpose::evaluate);
  require(!batch.views.empty(), "there is no view");
  const View& view = batch.views.front();
  const at::Tensor patches = modality.patches(view);
  require(patches.sizes() == at::IntArrayRef({view.data.size(0), view.grid.count(), modality.tokenizer().values()}),
          "patches are " + shape_text(patches.sizes()));
  const double error = relative_error(modality.unpatch(patches, view.grid), view.data);
  require(error < 1e-5, "unpatch() does not put patches() together again");
  const at::Tensor shown = modality.display(view);
  require(shown.sizes() == view.data.sizes() && shown.isfinite().all().item<bool>() &&
              shown.min().item<float>() >= -1e-4 && shown.max().item<float>() <= 1.0001,
          "display() leaves the range 0 to 1, or the view's shape");
  return {};
}

std::string check_test_part(const Modality& modality) {
  const auto source = modality.open(Split::test, Purpose::evaluate);
  if (!source) throw Skip{"there is none"};
  require(source->size() > 0, "it is empty: open() gives nullptr where there is no such part");
  check_shapes(modality, *source, Purpose::evaluate);
  return check_labels(*source);
}

const OptionSpec* path_option(const Component& component) {
  for (const OptionSpec& spec : component.schema->options())
    if (spec.is_path && spec.kind == OptionKind::text) return &spec;
  return nullptr;
}

Part with_path(const Part& part, const std::string& option, const fs::path& path) {
  Part changed = part;
  set_option(changed.options, option, Value(path.string()));
  return changed;
}

std::string check_missing_path(const Part& part) {
  const OptionSpec* path = path_option(*part.component);
  if (path == nullptr) throw Skip{"it reads no path"};
  try {
    with_path(part, path->name, "/nonexistent/cairn-conform").modality()->open(Split::train, Purpose::pretrain);
  } catch (const DataError& error) {
    return error.what();
  } catch (const ConfigError& error) {
    return error.what();
  }
  throw Fault{"a path that is not there is opened without complaint"};
}

/// Copies of some of the source's files, emptied or cut short.
std::vector<fs::path> damaged_files(const SampleSource& source, const fs::path& folder) {
  std::vector<fs::path> made;
  for (std::int64_t index = 0; index < source.size() && made.size() < kDamagedFiles; ++index) {
    const fs::path original = source.name(index);
    std::error_code error;
    if (!fs::is_regular_file(original, error)) continue;
    const std::uintmax_t size = made.empty() ? 0 : fs::file_size(original) / (made.size() + 1);
    const fs::path copy = folder / std::to_string(made.size()) / original.filename();
    fs::create_directories(copy.parent_path());
    fs::copy_file(original, copy);
    fs::resize_file(copy, size);
    made.push_back(copy);
  }
  return made;
}

/// Opens and loads a damaged file; what it does other than DataError or finite values is a fault.
bool is_reported(const Part& part, const std::string& option, const fs::path& file) {
  try {
    const auto modality = with_path(part, option, file.parent_path()).modality();
    const auto source = modality->open(Split::train, Purpose::pretrain);
    if (!source) return true;
    for (std::int64_t index = 0; index < source->size(); ++index)
      for (const at::Tensor& view : load(*source, index).views)
        require(!view.is_floating_point() || view.isfinite().all().item<bool>(),
                file.filename().string() + " cut short gives values that are not finite");
    return false;
  } catch (const DataError&) {
    return true;
  }
}

std::string check_damage(const Part& part, const SampleSource& source) {
  const OptionSpec* path = path_option(*part.component);
  if (path == nullptr) throw Skip{"it makes its samples itself: there is nothing to damage"};
  const Scratch scratch;
  const auto files = damaged_files(source, scratch.path());
  if (files.empty()) throw Skip{"its names are not files"};
  require(is_reported(part, path->name, files.front()), "an empty file is read without a DataError");
  int reported = 1;
  for (std::size_t i = 1; i < files.size(); ++i) reported += is_reported(part, path->name, files[i]);
  return fmt::format("{} of {} damaged files are reported, the others are read as far as they go", reported,
                     files.size());
}

/// Skips what failed because the component reads files and nobody said which.
void skip_without_path(const Part& part) {
  const OptionSpec* path = path_option(*part.component);
  if (path == nullptr || find_option(part.options, path->name) != nullptr) return;
  const std::string name = part.component->full_name();
  throw Skip{"not tried: it needs data; give --set " + name + "." + path->name + "=DATA"};
}

}  // namespace

std::optional<Trial> check_modality(const Part& part, Findings& findings) {
  std::shared_ptr<Modality> modality;
  std::unique_ptr<SampleSource> source, plain;
  findings.check("it opens its training part",
                 "open(Split::train, …) must give samples; DataError says what is missing, and where", [&] {
                   try {
                     modality = part.modality();
                     source = modality->open(Split::train, Purpose::pretrain);
                     plain = modality->open(Split::train, Purpose::evaluate);
                   } catch (const Error&) {
                     skip_without_path(part);
                     throw;
                   }
                   require(source && source->size() > 0, "there are no training samples");
                   require(plain && plain->size() > 0, "there are no samples for evaluation");
                   return fmt::format("{} samples", source->size());
                 });
  if (!source || !plain || source->size() == 0 || plain->size() == 0) return std::nullopt;
  findings.check(
      "the same seed, epoch and index give the same sample on any thread",
      "draw from the Rng handed to load() only, and keep no mutable state in the source: several threads load at once",
      [&] { return check_repeat(*source); });
  const char* const shapes =
      "views() and tokenizer() declare what collate() and prepare() must give: float [B,C,...], finite";
  const bool fits = findings.check("views for training have the shapes it declares, and finite values", shapes,
                                   [&] { return check_shapes(*modality, *source, Purpose::pretrain); });
  findings.check("the view for evaluation has the shape it declares, and finite values", shapes,
                 [&] { return check_shapes(*modality, *plain, Purpose::evaluate); });
  findings.check("samples have names, and labels within the classes",
                 "labels count from 0 in the order of classes(); -1 means none", [&] { return check_labels(*source); });
  findings.check("the test part is as the training part is",
                 "what is tested has the same shapes and classes; without such a part open() gives nullptr",
                 [&] { return check_test_part(*modality); });
  findings.check("patches can be taken, put together and shown",
                 "patches() and unpatch() are inverse; display() is in 0 .. 1",
                 [&] { return check_patches(*modality, *plain); });
  findings.check("a path that is not there is reported",
                 "throw DataError from open(), with the path and what was expected there",
                 [&] { return check_missing_path(part); });
  findings.check("damaged samples are reported",
                 "throw DataError from load(): the run then sets the sample aside; never crash, and "
                 "never return what is not finite",
                 [&] { return check_damage(part, *plain); });
  if (!fits) return std::nullopt;
  return Trial{make_situation(modality->tokenizer(), modality->views(Purpose::pretrain)), {Level::tokens}};
}

}  // namespace cairn::conformance
