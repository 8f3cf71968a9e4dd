#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "checkpoint/safetensors.h"

namespace cairn {

/// One line of a key map: tensors of a file that, joined along their first axis, are the tensors of a network joined
/// likewise. Shapes are of one tensor, and given where file and network differ in more than being joined.
struct KeyRule {
  std::vector<std::string> file, network;
  std::vector<std::int64_t> file_shape, network_shape;
};

/// What a key map made of some tensors.
struct MappedTensors {
  TensorMap tensors;                            // of the rules whose every tensor is there
  std::vector<std::string> missing, left_over;  // names that are not there, and that no rule knows
};

/// Which tensors of a network are which tensors of a published file.
class CAIRN_API KeyMap {
 public:
  void same(const std::string& file, const std::string& network);
  /// The `weight` and `bias` below both names.
  void affine(const std::string& file, const std::string& network);
  void reshaped(const std::string& file, std::vector<std::int64_t> file_shape, const std::string& network,
                std::vector<std::int64_t> network_shape);
  /// Several tensors of the file are one of the network: queries, keys and values.
  void joined(std::vector<std::string> file, const std::string& network);
  /// One tensor of the file is several of the network.
  void split(const std::string& file, std::vector<std::string> network);
  void add(const KeyMap& other);

  /// The file's tensors out of the network's. Reading them again gives the same bits.
  MappedTensors to_file(const TensorMap& network) const;

 private:
  std::vector<KeyRule> rules_;
};

}  // namespace cairn
