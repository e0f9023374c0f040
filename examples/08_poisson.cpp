// A binned Poisson likelihood in two dimensions: simulated points are moved and weighted so that their density is the
// observed one. Bins are filled by a smooth kernel, so that counts have derivatives by where the points are.

#include "made_data.hpp"
#include "models/poisson.hpp"

namespace ag = allgrad;

namespace {

const ag::Array truth = {0.1, -0.1, 0.1, -0.5, 0.3};
const ag::Params params = {{.name = "shift_x", .guess = 0.0},
                           {.name = "shift_y", .guess = 0.0},
                           {.name = "log_stretch_x", .guess = 0.0},
                           {.name = "log_odds", .guess = 0.0},
                           {.name = "wave", .guess = 0.0}};

void fit(const ag::Communicator& world, const example::Options& options) {
  const ag::Table points(
      "points",
      {{"x", 0.8 * example::normal(options.rows, 0, world)}, {"y", 0.6 * example::normal(options.rows, 2, world)}},
      world);
  const ag::Array observed = models::Poisson(points).calc_sumstats_from_params(truth);
  models::Poisson model(points, {}, observed);
  // Minus a log likelihood rises by 0.5 at one standard error.
  const auto [best, covariance] = example::fit_made_data(model, params, truth, 0.5, "poisson", options);

  const ag::Array guessed = model.calc_sumstats_from_params({0.0, 0.0, 0.0, 0.0, 0.0});
  const ag::Array fitted = model.calc_sumstats_from_params(best.x);
  if (!world.is_root()) return;
  example::CsvFile csv(options.output + "/poisson.csv", "x,y,observed,guess,fit");
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      csv.row(static_cast<double>(i) - 1.5, static_cast<double>(k) - 1.0, observed(3 * i + k), guessed(3 * i + k),
              fitted(3 * i + k));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits a density in two dimensions to counts, by their likelihood.", {.rows = 10000},
                      fit);
}
