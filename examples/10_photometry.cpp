// Galaxy magnitudes from a library of stellar populations: ages and metallicities as functions of mass, from the counts
// of galaxies by magnitude in three bands.

#include "made_data.hpp"
#include "models/photometry.hpp"

namespace ag = allgrad;

namespace {

const ag::Array truth = {-0.3, 0.2, 0.8, -0.6, 0.3, 0.25};
const ag::Params params = {{.name = "log_age", .guess = -0.1},        {.name = "log_age_by_mass", .guess = 0.1},
                           {.name = "age_scatter", .guess = 0.7},     {.name = "log_met", .guess = -0.5},
                           {.name = "log_met_by_mass", .guess = 0.2}, {.name = "met_scatter", .guess = 0.3}};

void fit(const ag::Communicator& world, const example::Options& options) {
  const ag::Table galaxies("galaxies",
                           {{"redshift", 0.05 + 1.9 * example::uniform(options.rows, 0, world)},
                            {"log_mstar", 0.6 * example::normal(options.rows, 1, world)}},
                           world);
  const models::StellarLibrary library(5, 6, 10, 3);
  const ag::Array observed = models::Photometry(galaxies, {}, library).calc_sumstats_from_params(truth);
  models::Photometry model(galaxies, {}, library, xt::sqrt(observed + 0.1));
  // The root of a count has the error 1/2: the loss is a chi-squared divided by 4 times the 18 bins.
  const auto [best, covariance] =
      example::fit_made_data(model, params, truth, 1.0 / (4.0 * 18.0), "photometry", options);

  const auto fitted =
      covariance.propagate([&](const ag::Expr& p) { return model.calc_partial_sumstats_from_params(p).value; });
  if (!world.is_root()) return;
  example::CsvFile csv(options.output + "/photometry.csv", "magnitude,band,observed,error,fit,fit_error");
  for (std::size_t i = 0; i < observed.size(); ++i) {
    csv.row(17.0 + 10.0 / 6.0 * (static_cast<double>(i % 6) + 0.5), i / 6, observed(i), std::sqrt(observed(i)),
            fitted.values(i), fitted.errors(i));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits ages and metallicities of galaxies to their counts by magnitude.",
                      {.rows = 10000}, fit);
}
