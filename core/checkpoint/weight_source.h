#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/key_map.h"
#include "checkpoint/safetensors.h"

namespace cairn {

/// The tensors of a checkpoint, handed out by name; what is missing and what is left over is told at the end.
class WeightSource {
 public:
  explicit WeightSource(TensorMap tensors) : tensors_(std::move(tensors)) {}

  bool has(const std::string& name) const { return tensors_.contains(name); }
  /// Whether a name holds this.
  bool has_part(const std::string& part) const;
  /// The tensor of this name, without taking it; nothing where there is none.
  std::optional<at::Tensor> find(const std::string& name) const;
  /// Its extent along the first axis; `fallback` where there is no such tensor.
  std::int64_t rows(const std::string& name, std::int64_t fallback) const;
  /// What the names begin with in models with a head, "ijepa.": where a name ends with `name`.
  std::string prefix_before(const std::string& name) const;
  /// The tensor of this name; nothing, and a complaint at the end, where there is none.
  std::optional<at::Tensor> take(const std::string& name);
  /// Hands over to a network what the map knows of it.
  void move(const KeyMap& keys, TensorMap& network);
  /// Names that begin with `head` begin with `other` instead.
  void rename(const std::string& head, const std::string& other);
  /// Takes every tensor whose name begins so, unused; how many there were.
  std::size_t drop(const std::string& head);
  /// What does not fit, a line each.
  std::vector<std::string> complaints() const;

 private:
  TensorMap tensors_;
  std::vector<std::string> complaints_;
};

struct PublishedModel;

/// DataError with every complaint, unless a partial load was asked for: then they are the model's `gaps`.
void settle_complaints(PublishedModel& model, const std::vector<std::string>& complaints, bool is_partial,
                       const std::string& where);

}  // namespace cairn
