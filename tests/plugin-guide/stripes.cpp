#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "cairn/error.h"
#include "cairn/masker.h"
#include "cairn/options.h"
#include "cairn/plugin.h"

namespace cairn::stripes {

struct ColumnsOptions {
  std::int64_t width = 2;

  static Schema<ColumnsOptions> schema() {
    Schema<ColumnsOptions> s("A band of columns is hidden and asked about; the rest is seen");
    s.option("width", &ColumnsOptions::width, "columns of the band, in tokens").at_least(1);
    return s;
  }
};

/// Hides a band of neighbouring columns, for each sample at a place of its own.
class Columns : public Masker {
 public:
  explicit Columns(const ColumnsOptions& options) : options_(options) {}

  Plan plan(std::span<const ViewLayout> views, std::int64_t batch, const Progress&, Rng& rng) const override {
    Plan plan;
    for (int view = 0; view < static_cast<int>(views.size()); ++view) add_view(plan, views, view, batch, rng);
    return plan;
  }

 private:
  void add_view(Plan& plan, std::span<const ViewLayout> views, int view, std::int64_t batch, Rng& rng) const {
    const TokenGrid& grid = views[static_cast<std::size_t>(view)].grid;
    const std::int64_t columns = grid.extent.back(), rows = grid.count() / columns;
    if (options_.width >= columns)
      throw ConfigError(
          "width",
          "a band of " + std::to_string(options_.width) + " hides all of " + std::to_string(columns) + " columns",
          "choose fewer");
    const at::Tensor hidden = at::empty({batch, rows * options_.width}, at::kLong);
    const at::Tensor seen = at::empty({batch, grid.count() - hidden.size(1)}, at::kLong);
    auto* to_hidden = hidden.mutable_data_ptr<std::int64_t>();
    auto* to_seen = seen.mutable_data_ptr<std::int64_t>();
    for (std::int64_t sample = 0; sample < batch; ++sample) {
      const std::int64_t begin = rng.integer(0, columns - options_.width);
      for (std::int64_t token = 0; token < grid.count(); ++token) {
        const std::int64_t column = token % columns;
        const bool is_hidden = column >= begin && column < begin + options_.width;
        *(is_hidden ? to_hidden : to_seen)++ = token;
      }
    }
    plan.queries.push_back({static_cast<int>(plan.contexts.size()), view, {hidden}});
    plan.contexts.push_back({view, {seen}, {}});
  }

  ColumnsOptions options_;
};

void enroll(Registry& registry) { registry.masker<Columns, ColumnsOptions>("columns"); }

}  // namespace cairn::stripes

CAIRN_PLUGIN(stripes, "0.1.0", "Bands of columns as masks", cairn::stripes::enroll)
