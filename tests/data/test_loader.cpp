#include <ATen/Parallel.h>

#include <atomic>
#include <catch2/catch.hpp>

#include "cairn/error.h"
#include "data/loader.h"
#include "data/plan_check.h"
#include "support/threads.h"
#include "support/toy.h"

using namespace cairn;
using namespace cairn::test;

namespace {

struct Parts {
  ToyModality modality;
  std::unique_ptr<SampleSource> source;
  ToyMasker masker;
  Quarantine quarantine;

  explicit Parts(std::int64_t size = 40, std::int64_t first_bad = -1, std::int64_t bad = 0, double share = 0.05)
      : modality(size, first_bad, bad),
        source(modality.open(Split::train, Purpose::pretrain)),
        quarantine(size, share) {}

  std::vector<Feed> feeds() { return {{modality, *source, quarantine}}; }
};

LoaderOptions options_for(std::int64_t workers, std::int64_t first = 0, std::int64_t count = 12) {
  LoaderOptions options;
  options.seed = 3;
  options.batch_size = 7;  // does not divide 40: batches cross the epoch's end
  options.workers = workers;
  options.queue = 3;
  options.first = first;
  options.count = count;
  return options;
}

std::vector<Load> all_loads(std::int64_t workers, std::int64_t first = 0) {
  Parts parts;
  Loader loader(parts.feeds(), parts.masker, options_for(workers, first));
  std::vector<Load> loads;
  for (std::int64_t i = first; i < 12; ++i) loads.push_back(loader.next());
  return loads;
}

void require_equal(const Load& a, const Load& b) {
  REQUIRE(at::equal(a.batch.views[0].data, b.batch.views[0].data));
  REQUIRE(at::equal(a.batch.sample_id, b.batch.sample_id));
  REQUIRE(at::equal(a.plan.contexts[0].visible.index, b.plan.contexts[0].visible.index));
  REQUIRE(at::equal(a.plan.queries[0].where.index, b.plan.queries[0].where.index));
}

/// Notes how many threads ATen computes with where plans are drawn.
class WatchingMasker : public ToyMasker {
 public:
  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress& progress, Rng& rng) const override {
    threads = at::get_num_threads();
    return ToyMasker::plan(views, batch, progress, rng);
  }
  mutable std::atomic<int> threads = 0;
};

}  // namespace

TEST_CASE("batches are the same for any number of workers and any start", "[loader]") {
  const auto one = all_loads(1);
  for (const std::int64_t workers : {2, 4}) {
    const auto many = all_loads(workers);
    for (std::size_t i = 0; i < one.size(); ++i) require_equal(one[i], many[i]);
  }
  const auto late = all_loads(2, 5);
  for (std::size_t i = 0; i < late.size(); ++i) require_equal(one[i + 5], late[i]);
}

TEST_CASE("an epoch shows every sample once, in an order of its own", "[loader]") {
  SampleOrder order(1, 40);
  std::vector<std::int64_t> first, second;
  for (std::int64_t p = 0; p < 40; ++p) first.push_back(order.index(p));
  for (std::int64_t p = 40; p < 80; ++p) second.push_back(order.index(p));
  REQUIRE(first != second);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  for (std::int64_t i = 0; i < 40; ++i) {
    REQUIRE(first[static_cast<std::size_t>(i)] == i);
    REQUIRE(second[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("samples read in runs are shuffled, and few runs are in use at a time", "[loader]") {
  constexpr std::int64_t kSize = 1003, kRun = 10, kMixed = 8;
  SampleOrder order(1, kSize, {kRun, kMixed}), same(1, kSize, {kRun, kMixed});
  std::vector<std::int64_t> seen, last(kSize / kRun + 1), first(kSize / kRun + 1, -1);
  std::int64_t neighbours = 0;
  for (std::int64_t p = 0; p < kSize; ++p) {
    const std::int64_t index = order.index(p);
    REQUIRE(same.index(p) == index);
    neighbours += !seen.empty() && std::abs(index - seen.back()) < kRun ? 1 : 0;
    seen.push_back(index);
    const auto run = static_cast<std::size_t>(index / kRun);
    if (first[run] < 0) first[run] = p;
    last[run] = p;
  }
  for (std::size_t run = 0; run < first.size(); ++run) CHECK(last[run] - first[run] < 2 * kRun * kMixed);
  CHECK(neighbours < kSize / 4);
  REQUIRE(order.index(kSize) != seen.front());
  std::sort(seen.begin(), seen.end());
  for (std::int64_t i = 0; i < kSize; ++i) REQUIRE(seen[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("unreadable samples are replaced, counted once and named", "[loader]") {
  const auto ids = [](std::int64_t workers) {
    Parts parts(400, 10, 2);
    Loader loader(parts.feeds(), parts.masker, options_for(workers, 0, 120));
    std::vector<at::Tensor> rows;
    for (int i = 0; i < 120; ++i) rows.push_back(loader.next().batch.sample_id);
    const auto bad = parts.quarantine.take_new();
    REQUIRE(bad.size() == 2);
    REQUIRE(bad[0].reason == "broken on purpose");
    REQUIRE(parts.quarantine.count() == 2);
    REQUIRE(parts.quarantine.take_new().empty());
    return at::cat(rows);
  };
  const at::Tensor one = ids(1);
  REQUIRE_FALSE(one.eq(10).any().item<bool>());
  REQUIRE(at::equal(one, ids(4)));
}

TEST_CASE("too many unreadable samples stop the run with a cure", "[loader]") {
  Parts parts(40, 0, 10);
  Loader loader(parts.feeds(), parts.masker, options_for(2, 0, 50));
  const auto drain = [&] {
    for (int i = 0; i < 50; ++i) loader.next();
  };
  REQUIRE_THROWS_WITH(drain(), Catch::Contains("max_bad_share") && Catch::Contains("broken on purpose"));
}

TEST_CASE("a data set without one readable sample ends", "[loader]") {
  Parts parts(5, 0, 5, 1.0);
  Loader loader(parts.feeds(), parts.masker, options_for(1));
  REQUIRE_THROWS_AS(loader.next(), DataError);
}

TEST_CASE("workers compute alone, whatever the number of compute threads", "[loader]") {
  const test::Threads used(3);
  Parts parts;
  const WatchingMasker masker;
  Loader loader(parts.feeds(), masker, options_for(2));
  loader.next();
  CHECK(masker.threads == 1);
  CHECK(at::get_num_threads() == 3);
}

TEST_CASE("a loader can be left while its workers are busy", "[loader]") {
  for (int i = 0; i < 20; ++i) {
    Parts parts;
    Loader loader(parts.feeds(), parts.masker, options_for(4, 0, 1000));
    loader.next();
  }
}

TEST_CASE("a companion has its share of the batches, evenly spread, and walks over its own samples", "[loader]") {
  Parts own(40), other(15);
  const auto batches = [&](double share, std::int64_t workers, std::int64_t first) {
    std::vector<Feed> feeds = {own.feeds()[0], other.feeds()[0]};
    feeds[1].share = share;
    Loader loader(feeds, own.masker, options_for(workers, first, 40));
    std::vector<Load> loads;
    for (std::int64_t i = first; i < 40; ++i) {
      loads.push_back(loader.next());
      const bool is_other = &loads.back().feed->source == other.source.get();
      REQUIRE(&loads.back().feed->modality == (is_other ? &other.modality : &own.modality));
      loads.back().batch.label.fill_(is_other ? 1 : 0);
    }
    return loads;
  };
  const auto others = [](const std::vector<Load>& loads, std::size_t first, std::size_t count) {
    std::int64_t sum = 0;
    for (std::size_t i = first; i < first + count; ++i) sum += loads[i].batch.label[0].item<std::int64_t>();
    return sum;
  };
  // Of each pair of batches the second is one's own.
  const auto half = batches(0.5, 3, 0);
  for (std::size_t i = 0; i < 40; i += 2) CHECK((others(half, i, 1) == 1 && others(half, i + 1, 1) == 0));
  const auto quarter = batches(0.25, 1, 0);
  for (std::size_t i = 0; i + 4 <= 40; ++i) CHECK(others(quarter, i, 4) == 1);

  // 20 batches of 7 are 9 walks over 15 samples: each comes 9 times, but for the 5 that begin the tenth.
  std::vector<std::int64_t> seen(15);
  for (std::size_t i = 0; i < 40; i += 2)
    for (std::int64_t row = 0; row < 7; ++row) {
      const auto id = half[i].batch.sample_id[row].item<std::int64_t>();
      REQUIRE(id < 15);
      ++seen[static_cast<std::size_t>(id)];
    }
  CHECK(std::count(seen.begin(), seen.end(), 9) == 10);
  CHECK(std::count(seen.begin(), seen.end(), 10) == 5);

  const auto late = batches(0.25, 2, 9);
  for (std::size_t i = 0; i < late.size(); ++i) require_equal(quarter[i + 9], late[i]);
}

TEST_CASE("faulty plans are named", "[plan]") {
  const ToyModality modality;
  const auto views = modality.views(Purpose::pretrain);
  const auto ids = [](std::vector<std::int64_t> row) { return TokenSet{at::tensor(row, at::kLong).unsqueeze(0)}; };
  const auto complaint = [&](const Plan& plan) {
    try {
      check_plan(plan, views, 1);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const Plan good{{{0, ids({0, 1}), {}}}, {{0, 0, ids({2, 3}), Level::tokens, 0}}};
  REQUIRE(complaint(good).empty());
  Plan plan = good;
  plan.contexts.clear();
  REQUIRE_THAT(complaint(plan), Catch::Contains("no context"));
  plan = good;
  plan.queries.clear();
  REQUIRE_THAT(complaint(plan), Catch::Contains("no query"));
  plan = good;
  plan.contexts[0].visible.lengths = {2};
  REQUIRE(complaint(plan).empty());
  for (const std::vector<std::int64_t>& lengths : {std::vector<std::int64_t>{1}, {0}, {3}, {2, 2}}) {
    plan.contexts[0].visible.lengths = lengths;
    REQUIRE_THAT(complaint(plan), Catch::Contains("visible ids") && Catch::Contains("lengths"));
  }
  plan = good;
  plan.queries[0].where.lengths = {2};
  REQUIRE_THAT(complaint(plan), Catch::Contains("only visible ids may have"));
  plan = good;
  plan.queries[0].where = ids({1, 3});
  REQUIRE_THAT(complaint(plan), Catch::Contains("token 1 of sample 0 is both seen and asked"));
  plan.may_overlap = true;
  REQUIRE(complaint(plan).empty());
  plan = good;
  plan.queries[0].where = ids({4});
  REQUIRE_THAT(complaint(plan), Catch::Contains("outside a grid of 4"));
  plan = good;
  plan.contexts[0].view = 1;
  REQUIRE_THAT(complaint(plan), Catch::Contains("view 1 of 1"));
  plan = good;
  plan.queries[0].where = {at::empty({1, 0}, at::kLong)};
  REQUIRE_THAT(complaint(plan), Catch::Contains("no asked tokens"));
  plan = good;
  plan.queries[0].where = ids({2, 3, 0, 1});
  plan.queries[0].seen_too = true;
  REQUIRE(complaint(plan).empty());
  for (const auto& wrong : {ids({2, 3, 1, 0}), ids({0, 1}), ids({2, 0, 1, 3})}) {
    plan.queries[0].where = wrong;
    REQUIRE_THAT(complaint(plan), Catch::Contains("seen tokens too must"));
  }
  plan.queries[0].where = ids({1, 0, 1});
  REQUIRE_THAT(complaint(plan), Catch::Contains("both seen and asked"));
  plan = good;
  plan.contexts[0] = {0, {}, ids({2, 3})};  // sees all, two of them as mask tokens: those may be asked
  REQUIRE(complaint(plan).empty());
}
