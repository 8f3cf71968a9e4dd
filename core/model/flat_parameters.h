#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/export.h"

namespace cairn {

/// One parameter's place in flat memory.
struct Segment {
  std::string name;
  std::int64_t offset = 0;
  std::int64_t size = 0;
};

/// What one update treats alike: a contiguous range of segments, decayed or not, or frozen.
struct SegmentGroup {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  bool decay = false;
  bool frozen = false;
  int rule = -1;  // of [[optim.rule]]; -1: none
};

/// A parameter to be laid out. `shared` ones come first: they are those a teacher has too. A teacher's are laid out as
/// its student's, so `trained` is the student's.
struct FlatItem {
  std::string name;
  at::Tensor parameter;
  bool shared = false;
  bool trained = true;
  int rule = -1;  // of [[optim.rule]]
};

/// All parameters of a model in one contiguous float32 buffer, gradients in another of equal layout, so that an update
/// is one pass over memory. Parameters become views; each starts at a multiple of 64 bytes. Matrices decay; biases,
/// norms and other 1-d parameters do not.
class CAIRN_API FlatParameters {
 public:
  explicit FlatParameters(std::vector<FlatItem> items, at::Device device, bool with_gradients);

  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  /// The values in bfloat16 [S], which mixed precision computes with; undefined until cast_half(). Who writes values
  /// writes these as well, or calls it again.
  const at::Tensor& half() const { return half_; }
  void cast_half();
  /// Again for [begin, end), or for the parameters whose names begin so; nothing where there is no half().
  void cast_half(std::int64_t begin, std::int64_t end);
  void cast_half(std::string_view prefix);
  /// The part a teacher has too: the first shared_size() values.
  std::int64_t shared_size() const { return shared_size_; }
  const std::vector<Segment>& segments() const { return segments_; }
  const std::vector<SegmentGroup>& groups() const { return groups_; }
  std::int64_t parameter_count() const;

 private:
  void place(FlatItem& item, std::int64_t& offset);

  at::Tensor values_, gradients_;  // float32 [S]
  at::Tensor half_;
  std::int64_t shared_size_ = 0;
  std::vector<Segment> segments_;
  std::vector<SegmentGroup> groups_;
};

}  // namespace cairn
