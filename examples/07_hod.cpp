// Halo occupation: how many central and satellite galaxies halos of a mass have on average, from counts in bins of halo
// mass, with the errors of the occupation at each mass.

#include "made_data.hpp"
#include "models/hod.hpp"

namespace ag = allgrad;

namespace {

// Zheng et al. 2007 (ApJ 667, 760), table 1, for galaxies brighter than -20.
const ag::Array truth = {12.02, 0.26, 11.38, 13.31, 1.06};
const ag::Params params = {{.name = "log_m_min", .guess = 12.2},
                           {.name = "sigma_log_m", .guess = 0.4},
                           {.name = "log_m0", .guess = 11.6},
                           {.name = "log_m1", .guess = 13.1},
                           {.name = "alpha", .guess = 1.0}};

void fit(const ag::Communicator& world, const example::Options& options) {
  const ag::Table halos("halos",
                        {{"log_mass", 11.0 + 4.0 * example::uniform(options.rows, 0, world)},
                         {"weight", 0.5 + 1.5 * example::uniform(options.rows, 1, world)}},
                        world);
  const ag::Array counts = models::Hod(halos).calc_sumstats_from_params(truth);
  models::Hod model(halos, {}, counts);
  const auto [best, covariance] = example::fit_made_data(model, params, truth, 1.0, "hod", options);

  // The occupation on a grid of masses is a function of the parameters: its errors follow from theirs.
  const ag::Array log_mass = xt::linspace(11.5, 15.0, 141);
  const auto grid = ag::constant(log_mass);
  const auto centrals = covariance.propagate([&](const ag::Expr& p) { return models::Hod::centrals(grid, p); });
  const auto satellites = covariance.propagate([&](const ag::Expr& p) { return models::Hod::satellites(grid, p); });
  if (!world.is_root()) return;
  example::CsvFile csv(options.output + "/hod.csv", "log_mass,centrals,centrals_error,satellites,satellites_error");
  for (std::size_t i = 0; i < log_mass.size(); ++i) {
    csv.row(log_mass(i), centrals.values(i), centrals.errors(i), satellites.values(i), satellites.errors(i));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits the halo occupation distribution to counts of galaxies.", {.rows = 10000}, fit);
}
