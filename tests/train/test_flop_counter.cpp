#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "nn/cpu_product.h"
#include "train/flop_counter.h"

using cairn::FlopCounter;
namespace nn = cairn::nn;

TEST_CASE("products, attention and convolutions are counted, forward and backward") {
  const at::Tensor a = at::randn({3, 5}).requires_grad_(), b = at::randn({5, 7}).requires_grad_();
  {
    const FlopCounter counter;
    const at::Tensor c = at::mm(a, b);
    CHECK(counter.total() == 2.0 * 3 * 5 * 7);
    c.sum().backward();
    CHECK(counter.total() == 3.0 * 2.0 * 3 * 5 * 7);
  }
  {
    const FlopCounter counter;
    at::zeros({3, 7}).addmm_(a.detach(), b.detach());
    CHECK(counter.total() == 2.0 * 3 * 5 * 7);
  }
  {
    const FlopCounter counter;
    at::linear(at::randn({4, 6, 5}), at::randn({7, 5}), at::randn({7}));
    CHECK(counter.total() == 2.0 * 4 * 6 * 5 * 7);
  }
  {
    const FlopCounter counter;
    const at::Tensor q = at::randn({2, 3, 8, 16}), k = at::randn({2, 3, 10, 16});
    at::scaled_dot_product_attention(q, k, k);
    CHECK(counter.total() == 2.0 * 2.0 * 2 * 3 * 8 * 10 * 16);
  }
  {
    const FlopCounter counter;
    at::conv2d(at::randn({2, 3, 8, 8}), at::randn({4, 3, 3, 3}), {}, 2, 1);
    CHECK(counter.total() == 2.0 * 2 * 4 * 4 * 4 * 3 * 3 * 3);
  }
  {
    const at::NoGradGuard no_grad;
    const at::Tensor x = at::randn({600, 384}), weight = at::randn({512, 384});
    const FlopCounter counter;
    nn::cpu_product(x, weight);
    CHECK(counter.total() == 2.0 * 600 * 384 * 512);
  }
  at::mm(a, b);
  const FlopCounter idle;
  CHECK(idle.total() == 0.0);
}
