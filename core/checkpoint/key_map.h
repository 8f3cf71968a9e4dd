#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/token_grid.h"
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
  TensorMap tensors;                 // of the rules whose every tensor is there, and fits
  std::vector<std::string> missing;  // names that are not there
  std::vector<std::string> misfits;  // a sentence for each tensor of a wrong shape
  std::vector<std::string> used;     // names that some rule knows and that are there
};

/// Which tensors of a network are which tensors of a published file. The same map reads and writes.
class CAIRN_API KeyMap {
 public:
  void same(const std::string& file, const std::string& network);
  /// The `weight`, and the `bias` where there is one, below both names.
  void affine(const std::string& file, const std::string& network, bool has_bias = true);
  void reshaped(const std::string& file, std::vector<std::int64_t> file_shape, const std::string& network,
                std::vector<std::int64_t> network_shape);
  /// Several tensors of the file are one of the network: queries, keys and values.
  void joined(std::vector<std::string> file, const std::string& network);
  /// One tensor of the file is several of the network.
  void split(const std::string& file, std::vector<std::string> network);
  /// A patch embedding [D,P], in the file a convolution with the kernel [D,C,...].
  void tokenizer(const std::string& file, const TokenizerSpec& spec, std::int64_t width, const std::string& network);

  /// The file's tensors out of the network's. Reading them again gives the same bits.
  MappedTensors to_file(const TensorMap& network) const;
  /// The network's tensors out of the file's.
  MappedTensors to_network(const TensorMap& file) const;

 private:
  std::vector<KeyRule> rules_;
};

/// The names of `tensors` that `mapped` did not use.
CAIRN_API std::vector<std::string> left_over(const TensorMap& tensors, const MappedTensors& mapped);

}  // namespace cairn
