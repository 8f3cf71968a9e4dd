#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/batch.h"
#include "cairn/export.h"
#include "cairn/rng.h"

namespace cairn {

/// Which part of a data set.
enum class Split : std::uint8_t { train, test };

/// What samples are for: `pretrain` augments and gives every view, `evaluate` gives one plain view.
enum class Purpose : std::uint8_t { pretrain, evaluate };

/// In which order samples are cheap to read.
struct ReadOrder {
  std::int64_t run = 1;    // samples side by side that are best read together; 1: any order costs the same
  std::int64_t mixed = 1;  // runs among which training mixes its samples
};

/// Random access to samples. load() is called from several threads at once.
class CAIRN_API SampleSource {
 public:
  virtual ~SampleSource();

  virtual std::int64_t size() const = 0;
  /// Sample `index`, the same for the same generator state. DataError if it cannot be read.
  virtual Sample load(std::int64_t index, Rng& rng) const = 0;
  /// Where sample `index` comes from, as a person would name it: a path, or "shape #12".
  virtual std::string name(std::int64_t index) const = 0;
  /// Class names; empty when the samples carry no labels.
  virtual std::vector<std::string> classes() const = 0;
  /// Training keeps to it; by default every epoch is a random order of all samples.
  virtual ReadOrder read_order() const;
};

class Modality;

/// Another modality whose batches come in turn with one's own in pretraining, as pictures do with clips in V-JEPA 2.1.
struct Companion {
  std::shared_ptr<const Modality> modality;
  double share = 0.5;  // of all batches, evenly spread
};

/// A kind of data: where samples come from, how they are cut into tokens, how they reach the network. No parameters.
class CAIRN_API Modality {
 public:
  virtual ~Modality();

  /// Opens a part; nullptr where the data set has no such part. DataError if there is nothing to read.
  virtual std::unique_ptr<SampleSource> open(Split split, Purpose purpose) const = 0;
  /// How its views [B,C,...] are cut into tokens: channels C, and of every axis behind them the patch in samples
  /// (pixels, frames) and what it means. The same at every call.
  virtual TokenizerSpec tokenizer() const = 0;
  /// The views of a sample, in the order of Sample::views.
  virtual std::vector<ViewLayout> views(Purpose purpose) const = 0;
  /// Whose batches pretraining sees between this one's. Its tokenizer is this one's, or one that Encoder::can_take();
  /// nothing else of it is trained on, and it is never evaluated. None by default.
  virtual std::optional<Companion> companion() const;
  /// Stacks samples view by view. Rows keep the order of `samples`.
  virtual Batch collate(const std::vector<Sample>& samples, Purpose purpose) const;
  /// On the device, after the copy: normalise, augment, transform to float [B,C,...].
  virtual void prepare(Batch& batch, Purpose purpose, Rng& rng) const;
  /// Input values of each token, [B,N,P]: the targets of generative objectives, and the floor of the probes.
  virtual at::Tensor patches(const View& view) const;
  /// A prepared view as it may be shown, float [B,C,...] in 0 .. 1 with the normalisation undone. By default every row
  /// is stretched between its extremes.
  virtual at::Tensor display(const View& view) const;
  /// Writes row `row` of a prepared view to a file for other senses than the eye, such as a sound; its path is `stem`
  /// and an ending. Returns the path; by default there is no such file.
  virtual std::optional<std::filesystem::path> render(const Batch& batch, int view, std::int64_t row,
                                                      const std::filesystem::path& stem) const;
  /// The inverse of patches(): values [B,N,P] of every token of `grid` to [B,C,...].
  virtual at::Tensor unpatch(const at::Tensor& patches, const TokenGrid& grid) const;

 protected:
  /// patches() over any number of axes, values ordered (patch position row-major, channel fastest).
  at::Tensor patchify(const at::Tensor& data) const;
};

}  // namespace cairn
