#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "data/view_check.h"

using namespace cairn;
using Catch::Contains;

namespace {

/// Two tokens of four values in each of two channels.
class Declared : public Modality {
 public:
  std::unique_ptr<SampleSource> open(Split, Purpose) const override { return nullptr; }
  TokenizerSpec tokenizer() const override { return {2, {4}, {Axis::time}}; }
  std::vector<ViewLayout> views(Purpose) const override { return {{tokenizer().grid({8}), ViewRole::global}}; }
};

Batch batch_of(const at::Tensor& data) {
  Batch batch;
  batch.sample_id = at::zeros({3}, at::kLong);
  batch.views.push_back({data, {{2}, {Axis::time}}, ViewRole::global});
  return batch;
}

}  // namespace

TEST_CASE("a view is what the modality declares, or the modality is blamed", "[views]") {
  const Declared modality;
  CHECK_NOTHROW(check_views(batch_of(at::zeros({3, 2, 8})), modality));
  CHECK_THROWS_WITH(check_views(batch_of(at::zeros({3, 2, 8}, at::kDouble)), modality),
                    Contains("Double [3,2,8]") && Contains("declares Float [3,2,8]"));
  CHECK_THROWS_WITH(check_views(batch_of(at::zeros({3, 2, 7})), modality), Contains("Float [3,2,7]"));
  CHECK_THROWS_WITH(check_views(batch_of(at::zeros({2, 2, 8})), modality), Contains("declares Float [3,2,8]"));
}

TEST_CASE("a patch without extent is a configuration error", "[views]") {
  CHECK_THROWS_WITH((TokenizerSpec{1, {0}, {Axis::time}}.grid({4})), Contains("has no extent"));
}

TEST_CASE("a sample with other views than declared is an error", "[views]") {
  const Declared modality;
  const Sample two{{at::zeros({2, 8}), at::zeros({2, 8})}, 0, -1, {}};
  CHECK_THROWS_WITH(modality.collate({two}, Purpose::pretrain), Contains("2 views where views() declares 1"));
}
