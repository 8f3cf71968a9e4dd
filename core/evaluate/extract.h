#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cairn/export.h"
#include "cairn/modality.h"
#include "checkpoint/row_file.h"
#include "data/quarantine.h"
#include "model/network_source.h"

namespace cairn {

/// What is taken of each sample, and how it is computed.
struct ExtractOptions {
  Level level = Level::tokens;       // tokens: `last_hidden_state` and `pooled`; pooled: the latter alone
  std::vector<std::int64_t> layers;  // blocks whose outputs are wanted too, from 0: `layer.0`
  bool bfloat16 = false;             // computed under autocast and written in bfloat16
  at::Device device = at::kCPU;
  std::int64_t batch_size = 32;
  std::int64_t workers = 2;
  double max_bad_share = kUsualBadShare;  // of samples that cannot be read
};

/// What became of a data set.
struct ExtractSummary {
  std::vector<BadSample> unreadable;
};

/// Features of prepared data [B,C,...]: `last_hidden_state` [B,N,D] and `pooled` [B,D] or [B,P], `layer.k` [B,N,D].
CAIRN_API TensorMap extract_features(const OpenedNetwork& network, const at::Tensor& data,
                                     const ExtractOptions& options);

/// The input of a tensor file as data [B,C,...] of the network: `pixel_values` [B,C,H,W] or [B,T,C,H,W],
/// `pixel_values_videos` [B,T,C,H,W], or `spectrogram` [B,C,T,F]. A clip shorter than a patch is repeated. DataError
/// for a file that holds none of these, or one that is not of the network's kind.
CAIRN_API at::Tensor input_data(const TensorMap& tensors, const OpenedNetwork& network, const std::string& where);

/// Features of a tensor file's input, batch by batch, in its order.
CAIRN_API void extract_tensors(const OpenedNetwork& network, const std::filesystem::path& input,
                               const ExtractOptions& options, RowFile& out);

/// Features of every readable sample of `parts`, with `sample_id`, `split` (0 train, 1 test), `label` (-1: none) and
/// `path` (UTF-8 bytes, padded with zeros). DataError once more than `max_bad_share` of the samples cannot be read.
CAIRN_API ExtractSummary extract_samples(const OpenedNetwork& network, const Modality& modality,
                                         const std::vector<Split>& parts, const ExtractOptions& options, RowFile& out);

/// Names of the classes of a data set; empty without labels.
CAIRN_API std::vector<std::string> class_names(const Modality& modality, const std::vector<Split>& parts);

}  // namespace cairn
