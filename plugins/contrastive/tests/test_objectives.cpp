#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "cairn/error.h"
#include "clusters.h"
#include "instances.h"
#include "redundancy.h"
#include "step.h"

namespace {

using namespace cairn;
using namespace cairn::contrastive;
using test::random_views;
using test::ViewStep;

double loss_of(Objective& objective, const ViewStep& step) { return step.evaluate(objective).total.item<double>(); }

ObjectiveSetting wide(std::int64_t width) {
  ObjectiveSetting setting;
  setting.prediction_width = width;
  return setting;
}

double cosine(const at::Tensor& a, const at::Tensor& b) { return at::cosine_similarity(a, b, 0).item<double>(); }

TEST_CASE("nt_xent is the definition, row by row, also for three views") {
  at::manual_seed(1);
  for (const std::size_t views : {std::size_t{2}, std::size_t{3}}) {
    const ViewStep step(random_views(views, 4, 5), {});
    NtXent objective({0.3}, {});
    double sum = 0;
    for (std::size_t a = 0; a < views; ++a)
      for (std::int64_t i = 0; i < 4; ++i) {
        double all = 0;
        for (std::size_t b = 0; b < views; ++b)
          for (std::int64_t j = 0; j < 4; ++j)
            if (a != b || i != j) all += std::exp(cosine(step.answers[a][i], step.answers[b][j]) / 0.3);
        for (std::size_t b = 0; b < views; ++b)
          if (a != b) sum -= cosine(step.answers[a][i], step.answers[b][i]) / 0.3 - std::log(all);
      }
    const auto terms = static_cast<double>(views * 4 * (views - 1));
    CHECK(loss_of(objective, step) == Approx(sum / terms).epsilon(1e-4));
  }
}

TEST_CASE("nt_xent finds equal views, and its gradient is finite even then") {
  at::manual_seed(2);
  const at::Tensor x = at::randn({8, 16});
  const ViewStep step({x.clone(), x.clone()}, {});
  NtXent objective({0.1}, {});
  const LossReport report = step.evaluate(objective);
  const std::map<std::string, at::Tensor> terms(report.terms.begin(), report.terms.end());
  CHECK(terms.at("accuracy").item<double>() == 1.0);
  report.total.backward();
  CHECK(step.answers[0].grad().isfinite().all().item<bool>());
}

TEST_CASE("info_nce takes keys from the teacher, and its queue holds the newest keys") {
  at::manual_seed(3);
  InfoNceOptions options;
  options.queue = 6;
  InfoNce objective(options, wide(5));
  CHECK(objective.target().source == Source::teacher);
  const ViewStep step(random_views(2, 4, 5), random_views(2, 4, 5));
  InfoNce plain({}, wide(5));
  CHECK(loss_of(objective, step) > loss_of(plain, step));  // further negatives only add to the denominator
  objective.settle(step.view());
  const at::Tensor queue = objective.named_buffers()["queue"];
  CHECK(at::allclose(queue.norm(2, 1), at::ones({6})));
  const at::Tensor newest = step.targets[0] / step.targets[0].norm(2, 1, true);
  CHECK(at::allclose(queue.narrow(0, 2, 4), newest));  // the query about view 0 comes last
}

TEST_CASE("cosine_regression: the source follows the form unless it is named; targets get no gradient from it") {
  CosineOptions options;
  CHECK(CosineRegression(options, {}).target().source == Source::teacher);
  options.form = CosineForm::simsiam;
  CHECK(CosineRegression(options, {}).target().source == Source::student_detached);
  options.source = CosineSource::student;
  CHECK(CosineRegression(options, {}).target().source == Source::student);

  at::manual_seed(4);
  const at::Tensor x = at::randn({6, 3});
  const ViewStep equal({x.clone(), x.clone()}, {2.0 * x, 3.0 * x});
  CosineRegression byol({}, {});
  CHECK(loss_of(byol, equal) == Approx(0.0).margin(1e-5));
  options.source = CosineSource::form;
  CosineRegression simsiam(options, {});
  CHECK(loss_of(simsiam, equal) == Approx(-1.0));
}

TEST_CASE("barlow_twins: decorrelated equal views cost nothing, repeated features cost lambda each") {
  const at::Tensor column = at::tensor({1.0, 1.0, -1.0, -1.0}), other = at::tensor({1.0, -1.0, 1.0, -1.0});
  const at::Tensor good = at::stack({column, other}, 1).to(at::kFloat);
  const at::Tensor bad = at::stack({column, column}, 1).to(at::kFloat);
  BarlowTwins objective({0.5}, {});
  CHECK(loss_of(objective, ViewStep({good.clone(), good.clone()}, {})) == Approx(0.0).margin(1e-6));
  CHECK(loss_of(objective, ViewStep({bad.clone(), bad.clone()}, {})) == Approx(2 * 0.5).epsilon(1e-3));
  CHECK_THROWS_AS(loss_of(objective, ViewStep(random_views(2, 1, 3), {})), Error);
}

TEST_CASE("losses of three views are the mean over the pairs of views") {
  at::manual_seed(5);
  const auto views = random_views(3, 8, 4);
  BarlowTwins barlow({}, {});
  Vicreg vicreg({}, {});
  for (Objective* objective : {static_cast<Objective*>(&barlow), static_cast<Objective*>(&vicreg)}) {
    double mean = 0;
    for (const auto& [a, b] : {std::pair{0, 1}, std::pair{0, 2}, std::pair{1, 2}})
      mean += loss_of(*objective, ViewStep({views[static_cast<std::size_t>(a)].detach().clone(),
                                            views[static_cast<std::size_t>(b)].detach().clone()},
                                           {})) /
              3;
    CHECK(loss_of(*objective,
                  ViewStep({views[0].detach().clone(), views[1].detach().clone(), views[2].detach().clone()}, {})) ==
          Approx(mean).epsilon(1e-4));
  }
}

TEST_CASE("vicreg on a collapsed batch is the variance term alone, with a finite gradient") {
  const ViewStep step({at::ones({6, 3}), at::ones({6, 3})}, {});
  Vicreg objective({}, {});
  const LossReport report = step.evaluate(objective);
  CHECK(report.total.item<double>() == Approx(25.0 * (1.0 - std::sqrt(1e-4))));
  report.total.backward();
  CHECK(step.answers[0].grad().isfinite().all().item<bool>());
}

TEST_CASE("dino: the centre moves towards the mean of the teacher's outputs, counted once for each view") {
  at::manual_seed(6);
  DinoOptions options;
  options.center_momentum = 0.75;
  Dino objective(options, wide(7));
  const ViewStep step(random_views(5, 4, 7), random_views(2, 4, 7));
  objective.settle(step.view());
  const at::Tensor mean = (step.targets[0].mean(0) + step.targets[1].mean(0)) / 2.0;
  CHECK(at::allclose(objective.named_buffers()["center"], 0.25 * mean, 1e-5, 1e-6));
  objective.settle(step.view());
  CHECK(at::allclose(objective.named_buffers()["center"], (0.75 * 0.25 + 0.25) * mean, 1e-5, 1e-6));
}

TEST_CASE("dino: a centre that starts at the batch is right from the first step, and an average from the second") {
  at::manual_seed(10);
  DinoOptions options;
  options.center_start = CenterStart::batch;
  Dino started(options, wide(4)), centred({}, wide(4));
  ViewStep step(random_views(2, 6, 4), random_views(2, 6, 4));
  const at::Tensor mean = (step.targets[0].mean(0) + step.targets[1].mean(0)) / 2.0;
  centred.named_buffers()["center"].copy_(mean);
  CHECK(loss_of(started, step) == Approx(loss_of(centred, step)));
  started.settle(step.view());
  CHECK(at::allclose(started.named_buffers()["center"], mean));
  step.targets[0].add_(1.0);
  step.targets[1].add_(1.0);
  step.progress = {1, 10, 0};
  started.settle(step.view());
  CHECK(at::allclose(started.named_buffers()["center"], mean + 0.1, 1e-5, 1e-5));
}

TEST_CASE("dino: without the centre one output wins, with it the teacher's mean output is even") {
  Dino objective({}, wide(3));
  at::Tensor biased = at::zeros({4, 3});
  biased.select(1, 1).fill_(5.0);
  const ViewStep step(random_views(2, 4, 3), {biased, biased.clone()});
  const auto entropy = [&] {
    const LossReport report = step.evaluate(objective);
    return std::map<std::string, at::Tensor>(report.terms.begin(), report.terms.end())
        .at("mean_entropy")
        .item<double>();
  };
  CHECK(entropy() == Approx(0.0).margin(1e-3));
  for (int i = 0; i < 200; ++i) objective.settle(step.view());
  CHECK(entropy() == Approx(std::log(3.0)).epsilon(1e-3));
}

TEST_CASE("dino over tokens is dino over their rows") {
  at::manual_seed(9);
  DinoOptions options;
  options.level = Level::tokens;
  Dino tokens(options, wide(5)), rows({}, wide(5));
  CHECK(tokens.target().level == Level::tokens);
  const at::Tensor p0 = at::randn({2, 3, 5}), p1 = at::randn({2, 3, 5}), t0 = at::randn({2, 3, 5});
  const ViewStep step({p0.clone(), p1.clone()}, {t0, at::randn({2, 3, 5})});
  const ViewStep flat({p0.flatten(0, 1), p1.flatten(0, 1)}, {t0.flatten(0, 1), step.targets[1].flatten(0, 1)});
  CHECK(loss_of(tokens, step) == Approx(loss_of(rows, flat)));
  tokens.settle(step.view());
  rows.settle(flat.view());
  CHECK(at::allclose(tokens.named_buffers()["center"], rows.named_buffers()["center"]));
}

TEST_CASE("dino: the teacher's temperature warms up and stays") {
  DinoOptions options;
  options.start_temperature = 0.04;
  options.teacher_temperature = 0.07;
  options.warmup_share = 0.5;
  const Dino objective(options, wide(3));
  CHECK(objective.teacher_temperature({0, 100, 0}) == Approx(0.04));
  CHECK(objective.teacher_temperature({25, 100, 0}) == Approx(0.055));
  CHECK(objective.teacher_temperature({50, 100, 0}) == Approx(0.07));
  CHECK(objective.teacher_temperature({99, 100, 0}) == Approx(0.07));
  CHECK(Dino({}, wide(3)).teacher_temperature({0, 100, 0}) == Approx(0.04));
}

TEST_CASE("sinkhorn: samples sum to one, prototypes share alike, large scores do not overflow") {
  at::manual_seed(7);
  for (const double scale : {1.0, 100.0}) {
    const at::Tensor codes = sinkhorn(scale * at::randn({32, 8}), 0.5 * scale, 200);
    CHECK(codes.isfinite().all().item<bool>());
    CHECK(at::allclose(codes.sum(1), at::ones({32}), 1e-4, 1e-5));
    CHECK(at::allclose(codes.sum(0), at::full({8}, 4.0), 2e-2, 2e-2));
  }
  const at::Tensor extreme = sinkhorn(at::tensor({300.0, -300.0, -300.0, 300.0}).view({2, 2}), 0.05, 3);
  CHECK(at::allclose(extreme, at::eye(2)));
}

TEST_CASE("swav: codes carry no gradient, and a full queue takes part in the balance") {
  at::manual_seed(8);
  SwavOptions options;
  options.queue = 8;
  Swav objective(options, wide(6));
  ViewStep step(random_views(3, 4, 6), {});
  const double before = loss_of(objective, step);
  CHECK(before == Approx(loss_of(*std::make_unique<Swav>(SwavOptions{}, wide(6)), step)));
  objective.settle(step.view());
  const at::Tensor queue = objective.named_buffers()["queue"];
  CHECK(at::equal(queue, at::cat({step.answers[1], step.answers[2]}).detach()));
  step.progress = {2, 10, 0};
  CHECK(loss_of(objective, step) != Approx(before));
  options.queue_start = 0.5;
  Swav later(options, wide(6));
  later.settle(step.view());
  CHECK(loss_of(later, step) == Approx(before));
}

TEST_CASE("a batch of one sample has no negatives, unless a queue has") {
  NtXent nt_xent({}, {});
  CHECK_THROWS_WITH(loss_of(nt_xent, ViewStep(random_views(2, 1, 3), {})), Catch::Contains("train.batch_size"));
  InfoNce alone({}, wide(3)), queued({.queue = 4}, wide(3));
  const ViewStep step(random_views(2, 1, 3), random_views(2, 1, 3));
  CHECK_THROWS_WITH(loss_of(alone, step), Catch::Contains("train.batch_size"));
  CHECK(loss_of(queued, step) > 0.0);
}

TEST_CASE("a single view, tokens and other widths are errors") {
  NtXent nt_xent({}, {});
  CHECK_THROWS_AS(nt_xent.evaluate({}), Error);
  CHECK_THROWS_AS(loss_of(nt_xent, ViewStep({at::randn({2, 3, 4}), at::randn({2, 3, 4})}, {})), Error);
  CHECK_THROWS_AS(loss_of(nt_xent, ViewStep({at::randn({2, 3}), at::randn({2, 4})}, {})), Error);
  CosineRegression byol({}, {});
  CHECK_THROWS_AS(loss_of(byol, ViewStep(random_views(2, 2, 3), random_views(2, 2, 4))), Error);
}

}  // namespace
