#pragma once

// Loss and gradient of the benchmark's models on one rank, each as a loop written by hand: the time that allgrad is
// compared with. They compute what the models that models.cpp makes do, with the same vector math, and keep no array of
// rows. As the models have few parameters, sums over rows and their derivatives are made in one sweep.

#include <cstddef>
#include <span>
#include <vector>

namespace limits {

using Column = std::span<const double>;
using Params = std::span<const double>;
using Gradient = std::span<double>;

/// An observed histogram, and what one row counts in it.
struct Observation {
  std::vector<double> edges, value, error;
  double value_of_one;
};

/// A table of log10 of fluxes [metallicity, age, band, redshift] on an even grid of redshifts.
struct Library {
  std::vector<double> redshift, log_metallicity, log_age, log_flux;
  std::size_t bands;
};

// All return the loss and write its gradient.
double smf(Column log_mass, Params params, Gradient gradient);
double gama(Column log_mass, const Observation& observed, Params params, Gradient gradient);
double hod(Column log_mass, Column weight, Params params, Gradient gradient);
double twostage(Column x, Params params, Gradient gradient);
/// `table` is a value for each lane.
double wide(Column x, Column w, Column table, Params params, Gradient gradient);
/// On the interval from `low` to `high`.
double massfit(Column mass, double low, double high, Params params, Gradient gradient);
double growth(Column log_mass, Column weight, Column log_tq, Params params, Gradient gradient);
double photometry(Column redshift, Column log_mstar, const Library& library, Params params, Gradient gradient);
double kernels(Column x, Column y, Column z, Params params, Gradient gradient);
double histogram(Column bin, Column x, std::size_t num_bins, Params params, Gradient gradient);
double logistic(const std::vector<Column>& features, Column sign, Params params, Gradient gradient);
double mixture(Column x, Params params, Gradient gradient);

}  // namespace limits
