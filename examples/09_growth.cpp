// Galaxies in growing halos: star formation is integrated over time for each halo, and the stellar masses and the rates
// of today, in bins, tell how efficiently halos form stars and when they stop.

#include <xtensor/xview.hpp>

#include "made_data.hpp"
#include "models/growth.hpp"

namespace ag = allgrad;

namespace {

constexpr double sigma = 0.05;  // error of log10 of the count in each bin, in dex

const ag::Array truth = {2.5, 0.2, 0.3, -0.05, 0.4, 0.05, -1.3, 12.0, 0.8, -0.9, 0.25, -1.5};
const ag::Params params = {{.name = "early", .guess = 2.5, .frozen = true},
                           {.name = "early_by_mass", .guess = 0.2, .frozen = true},
                           {.name = "late", .guess = 0.3, .frozen = true},
                           {.name = "late_by_mass", .guess = -0.05, .frozen = true},
                           {.name = "log_time", .guess = 0.4, .frozen = true},
                           {.name = "log_time_by_mass", .guess = 0.05, .frozen = true},
                           {.name = "log_efficiency", .guess = -1.2},
                           {.name = "log_mass_critical", .guess = 12.1},
                           {.name = "slope_below", .guess = 0.7},
                           {.name = "slope_above", .guess = -0.8},
                           {.name = "quench_duration", .guess = 0.25, .frozen = true},
                           {.name = "quench_depth", .guess = -1.2}};

void fit(const ag::Communicator& world, const example::Options& options) {
  const ag::Table halos("halos",
                        {{"log_mass", 11.0 + 3.0 * example::uniform(options.rows, 0, world)},
                         {"weight", 0.5 + 1.5 * example::uniform(options.rows, 1, world)},
                         {"log_tq", 0.5 + 0.7 * example::uniform(options.rows, 2, world)}},
                        world);
  const ag::Array observed = models::Growth(halos).calc_sumstats_from_params(truth);
  const ag::Array count = xt::view(observed, xt::range(0, 8)) + 1e-3, rates = xt::view(observed, xt::range(8, 16));
  models::Growth model(halos, {}, xt::log10(count), rates / count);
  // The loss is a chi-squared times sigma^2 / 8.
  const auto [best, covariance] = example::fit_made_data(model, params, truth, sigma * sigma / 8.0, "growth", options);

  // The mean history of star formation of halos in three intervals of mass [3, 20].
  const auto log_mass = expand_dims(halos["log_mass"], 1);
  const ag::Array low = {11.0, 12.0, 13.0};
  const auto inside = log_mass >= low && log_mass < low + 1.0;
  const auto histories = covariance.propagate([&](const ag::Expr& p) {
    return ag::einsum("ri,rt->it", {inside, model.star_formation(p)}) / expand_dims(sum(inside, 0), 1);
  });
  if (!world.is_root()) return;
  example::CsvFile csv(options.output + "/growth.csv", "time,low,low_error,middle,middle_error,high,high_error");
  for (std::size_t i = 0; i < 20; ++i) {
    const auto at = [&](std::size_t k) { return std::pair(histories.values(k, i), histories.errors(k, i)); };
    csv.row(0.5 + 0.7 * static_cast<double>(i), at(0).first, at(0).second, at(1).first, at(1).second, at(2).first,
            at(2).second);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits star formation in growing halos to stellar masses and rates.", {.rows = 10000},
                      fit);
}
