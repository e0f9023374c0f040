#pragma once

// What the examples from 07 to 12 share: columns that each rank makes its own rows of, and a fit of data that a model
// made itself at known parameters (an "Asimov" data set): it ends there, and its errors are those of a survey of that
// size.

#include <cmath>
#include <numbers>

#include "example.hpp"

namespace example {

/// This rank's rows of a column of `rows` numbers that fill the interval from 0 to 1 evenly, in an order like a random
/// one; each of the sequences 0 to 5 has its own.
inline ag::Array uniform(std::size_t rows, std::size_t sequence, const ag::Communicator& comm) {
  constexpr double primes[] = {2.0, 3.0, 5.0, 7.0, 11.0, 13.0};
  return xt::fmod((own_rows(rows, comm) + 1.0) * std::sqrt(primes[sequence]), 1.0);
}

/// This rank's rows of a column of normal deviates, from two such sequences (Box, Muller).
inline ag::Array normal(std::size_t rows, std::size_t sequence, const ag::Communicator& comm) {
  const auto u = uniform(rows, sequence, comm), v = uniform(rows, sequence + 1, comm);
  return xt::sqrt(-2.0 * xt::log(u)) * xt::cos(2.0 * std::numbers::pi * v);
}

struct Fit {
  ag::OptimizeResult best;
  ag::Covariance covariance;
};

/// Fits a model by Newton's method in a trust region. Rank 0 prints the parameters with their errors, beside those that
/// the data was made from, and writes them to NAME_params.csv.
inline Fit fit_made_data(ag::OnePointModel& model, const ag::Params& params, const ag::Array& truth,
                         ag::Errordef errordef, const std::string& name, const Options& options) {
  const auto best = model.run_trust_region(params, {.progress = false});
  const auto covariance = model.calc_covariance(best.x, {.errordef = errordef, .params = params});
  if (model.communicator().is_root()) {
    CsvFile csv(options.output + "/" + name + "_params.csv", "param,truth,guess,fitted,error");
    fmt::print("{:<18} {:>10} {:>10} {:>10} {:>10}\n", "parameter", "truth", "guess", "fitted", "+-");
    for (std::size_t i = 0; i < params.size(); ++i) {
      const double error = covariance.errors()(i);
      fmt::print("{:<18} {:>10.4f} {:>10.4f} {:>10.4f} {:>10}\n", params[i].name, truth(i), params[i].guess, best.x(i),
                 params[i].frozen ? "frozen" : fmt::format("{:.4f}", error));
      csv.row(params[i].name, truth(i), params[i].guess, best.x(i), error);
    }
    fmt::print("loss {:.2e} after {} evaluations: {}\n", best.fun, best.nfev, best.message);
  }
  return {best, covariance};
}

}  // namespace example
