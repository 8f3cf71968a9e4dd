#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "cairn/export.h"
#include "cairn/nn/activation.h"
#include "cairn/options.h"

namespace cairn::nn {

/// What follows a linear map: `plain` is batch norm without scale and shift.
enum class HeadNorm : std::uint8_t { none, batch, plain, layer };

/// Shape of an MLP head; options structs of heads derive from it.
struct HeadOptions {
  std::int64_t hidden = 2048;
  std::int64_t layers = 2;
  HeadNorm norm = HeadNorm::batch;
  HeadNorm last_norm = HeadNorm::none;
  bool last_bias = true;
  Activation activation = Activation::relu;
};

/// Adds the options of HeadOptions to the schema of a struct that derives from it.
template <class O>
void add_head_options(Schema<O>& s) {
  const Choices<HeadNorm> norms = {
      {"none", HeadNorm::none}, {"batch", HeadNorm::batch}, {"plain", HeadNorm::plain}, {"layer", HeadNorm::layer}};
  s.option("hidden", static_cast<std::int64_t O::*>(&O::hidden), "width between the linear maps").range(1, 1 << 16);
  s.option("layers", static_cast<std::int64_t O::*>(&O::layers), "number of linear maps").range(1, 16);
  s.option("norm", static_cast<HeadNorm O::*>(&O::norm), norms,
           "after every linear map but the last; plain: batch norm without scale and shift");
  s.option("last_norm", static_cast<HeadNorm O::*>(&O::last_norm), norms, "after the last linear map");
  s.option("last_bias", static_cast<bool O::*>(&O::last_bias), "a bias in the last linear map");
  s.option("activation", static_cast<Activation O::*>(&O::activation), kActivations, "between the linear maps");
}

/// Linear maps with norm and activation between them. A map that a batch norm follows has no bias: the norm would
/// take it away again.
class CAIRN_API MlpHead : public torch::nn::Module {
 public:
  MlpHead(const HeadOptions& options, std::int64_t input_width, std::int64_t output_width);
  ~MlpHead() override;

  /// [...,input] to [...,output].
  at::Tensor forward(at::Tensor x);

 private:
  void add(std::int64_t in, std::int64_t out, HeadNorm norm, bool bias);

  std::vector<torch::nn::Linear> linears_;
  std::vector<std::function<at::Tensor(const at::Tensor&)>> norms_;  // empty: none
  Activation activation_;
};

}  // namespace cairn::nn
