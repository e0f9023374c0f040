#include "models.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <xtensor/xadapt.hpp>
#include <xtensor/xview.hpp>

#include "examples/csv.hpp"
#include "examples/models/growth.hpp"
#include "examples/models/hod.hpp"
#include "examples/models/kernels.hpp"
#include "examples/models/photometry.hpp"
#include "examples/models/poisson.hpp"
#include "examples/models/smf.hpp"
#include "examples/models/twostage.hpp"
#include "limits.hpp"
#include "timed_models.hpp"

namespace benchmarks {

namespace ag = allgrad;

namespace {

constexpr double bin_width = 0.2, number_density = 0.05;  // of gama: dex, halos per Mpc^3
constexpr double peak_mass = 5.28, peak_width = 0.03, tail_slope = -2.0, peak_fraction = 0.3;

/// Number `row` of a sequence that fills the interval from 0 to 1 evenly, in an order like a random one; the same in
/// peers.py. 0.618 and 0.755 make two sequences without correlation.
double spread(std::size_t row, double irrational) { return std::fmod(static_cast<double>(row + 1) * irrational, 1.0); }

/// This rank's rows of a column: `value` of two such sequences.
template <class F>
ag::Array make_column(std::size_t rows, const ag::Communicator& comm, F value) {
  const auto size = static_cast<std::size_t>(comm.size()), rank = static_cast<std::size_t>(comm.rank());
  const std::size_t first = rows * rank / size, last = rows * (rank + 1) / size;
  auto column = ag::Array::from_shape({last - first});
  for (std::size_t i = first; i < last; ++i) {
    column(i - first) = value(spread(i, 0.6180339887498949), spread(i, 0.7548776662466927));
  }
  return column;
}

double normal(double u, double v) { return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v); }

double mass_of_event(double u, double v) {
  const double w = (u - peak_fraction) / (1.0 - peak_fraction);
  return u < peak_fraction ? peak_mass + peak_width * normal(u / peak_fraction, v)
                           : lowest_mass + std::log(1.0 + w * (std::exp(tail_slope) - 1.0)) / tail_slope;
}

limits::Observation observe(std::size_t rows) {
  const auto table = read_csv("examples/data/gama_smf.csv", "log_mstar,phi,error").values;
  limits::Observation observed;
  observed.value_of_one = 1e3 * number_density / static_cast<double>(rows) / bin_width;
  for (std::size_t i = 0; i <= table.shape(0); ++i) {
    observed.edges.push_back(table(0, 0) + (static_cast<double>(i) - 0.5) * bin_width);
  }
  const auto list = [](const auto& values) { return std::vector<double>(values.begin(), values.end()); };
  observed.value = list(xt::col(table, 1));
  observed.error = list(xt::col(table, 2));
  return observed;
}

limits::Library as_vectors(const models::StellarLibrary& library) {
  const auto list = [](const ag::Array& values) { return std::vector<double>(values.begin(), values.end()); };
  return {list(library.redshift), list(library.log_metallicity), list(library.log_age),
          list(-0.4 * (library.magnitudes - 22.0)), library.magnitudes.shape(2)};
}

}  // namespace

Model make_model(const std::string& name, std::size_t size, const ag::Communicator& comm,
                 const ag::CompileOptions& options) {
  Model made;
  const std::size_t rows = name == "lanes" || name == "params" ? 100000 : size;
  const auto add_column = [&](const std::string& column, auto value) {
    made.columns.emplace(column, make_column(rows, comm, value));
  };
  const auto table = [&] {
    ag::Table::Columns columns;
    for (const auto& [column, values] : made.columns) columns.emplace_back(column, ag::borrow(values));
    return ag::Table("catalogue", columns, comm);
  };
  const auto span = [&](const std::string& column) {
    const ag::Array& values = made.columns.at(column);
    return limits::Column(values.data(), values.size());
  };

  if (name == "smf") {
    made.params = {-1.9, 0.3};
    add_column("log_mass", [](double u, double) { return 10.0 - std::log10(1.0 - 0.95 * u); });
    made.model = std::make_unique<models::Smf>(table(), options);
    made.limit = [m = span("log_mass"), p = made.params](auto gradient) { return limits::smf(m, p, gradient); };
  } else if (name == "gama") {
    const auto observed = observe(rows);
    made.params = {11.59, std::log10(0.0351), 1.376, 0.608, std::log10(0.15)};
    add_column("log_mass", [](double u, double) { return 10.5 - std::log10(1.0 - (1.0 - 1e-5) * u); });
    made.model = std::make_unique<Gama>(table(), observed);
    made.limit = [observed, m = span("log_mass"), p = made.params](auto gradient) {
      return limits::gama(m, observed, p, gradient);
    };
  } else if (name == "hod") {
    made.params = {12.2, 0.35, 12.4, 13.3, 1.1};
    add_column("log_mass", [](double u, double) { return 11.0 + 4.0 * u; });
    add_column("weight", [](double, double v) { return 0.5 + 1.5 * v; });
    made.model = std::make_unique<models::Hod>(table(), options);
    made.limit = [m = span("log_mass"), w = span("weight"), p = made.params](auto gradient) {
      return limits::hod(m, w, p, gradient);
    };
  } else if (name == "twostage") {
    made.params = {0.8, 0.2};
    add_column("x", [](double u, double v) { return 0.3 + 1.2 * normal(u, v); });
    made.model = std::make_unique<models::TwoStage>(table(), options);
    made.limit = [x = span("x"), p = made.params](auto gradient) { return limits::twostage(x, p, gradient); };
  } else if (name == "wide") {
    auto constants = ag::Array::from_shape({22, 94, 9});
    for (std::size_t i = 0; i < constants.size(); ++i) constants.flat(i) = 0.5 + spread(i, 0.6180339887498949);
    made.params = {1.0, 1.0};
    add_column("x", [](double u, double) { return u; });
    add_column("w", [](double, double v) { return 0.5 + v; });
    made.model = std::make_unique<Wide>(table(), constants);
    made.limit = [constants, x = span("x"), w = span("w"), p = made.params](auto gradient) {
      return limits::wide(x, w, {constants.data(), constants.size()}, p, gradient);
    };
  } else if (name == "poisson") {
    made.params = {0.1, -0.1, 0.1, -0.5, 0.3};
    add_column("x", [](double u, double v) { return 0.8 * normal(u, v); });
    add_column("y", [](double u, double v) { return 0.6 * normal(v, u); });
    made.model = std::make_unique<models::Poisson>(table(), options);
  } else if (name == "growth") {
    made.params = {2.5, 0.2, 0.3, -0.05, 0.4, 0.05, -1.3, 12.0, 0.8, -0.9, 0.25, -1.5};
    add_column("log_mass", [](double u, double) { return 11.0 + 3.0 * u; });
    add_column("weight", [](double, double v) { return 0.5 + 1.5 * v; });
    add_column("log_tq", [](double u, double v) { return 0.5 + 0.7 * std::fmod(u + v, 1.0); });
    made.model = std::make_unique<models::Growth>(table(), options);
    made.limit = [m = span("log_mass"), w = span("weight"), t = span("log_tq"), p = made.params](auto gradient) {
      return limits::growth(m, w, t, p, gradient);
    };
  } else if (name == "photometry" || name == "dsps") {
    made.params = {-0.3, 0.2, 0.8, -0.6, 0.3, 0.25};
    add_column("redshift", [](double u, double) { return 0.05 + 1.9 * u; });
    add_column("log_mstar", [](double u, double v) { return 0.6 * normal(u, v); });
    const auto library = name == "dsps" ? models::StellarLibrary(15, 22, 94, 9) : models::StellarLibrary(5, 6, 10, 3);
    made.model = std::make_unique<models::Photometry>(table(), options, library);
    made.limit = [grid = as_vectors(library), z = span("redshift"), m = span("log_mstar"),
                  p = made.params](auto gradient) { return limits::photometry(z, m, grid, p, gradient); };
  } else if (name == "kernels") {
    made.params = {0.1, -0.1, 0.2, 0.9, 1.1, 0.8, 0.4};
    add_column("x", [](double u, double v) { return normal(u, v); });
    add_column("y", [](double u, double v) { return normal(v, u); });
    add_column("z", [](double u, double v) { return normal(std::fmod(u + v, 1.0), u); });
    made.model = std::make_unique<models::Kernels>(table(), options);
    made.limit = [x = span("x"), y = span("y"), z = span("z"), p = made.params](auto gradient) {
      return limits::kernels(x, y, z, p, gradient);
    };
  } else if (name == "histogram") {
    constexpr std::size_t num_bins = 100000;
    made.params = {0.1, -0.2};
    add_column("x", [](double u, double) { return u; });
    add_column("bin", [](double, double v) { return std::floor(static_cast<double>(num_bins) * v); });
    made.model = std::make_unique<Histogram>(table(), num_bins);
    made.limit = [b = span("bin"), x = span("x"), p = made.params](auto gradient) {
      return limits::histogram(b, x, num_bins, p, gradient);
    };
  } else if (name == "logistic") {
    constexpr std::size_t num_features = 20;
    for (std::size_t k = 0; k < num_features; ++k) {
      const double turn = static_cast<double>(k);
      add_column(fmt::format("x{}", k), [=](double u, double v) { return std::cos(turn + 6.0 * u + turn * v); });
      made.params.push_back(0.1 * std::sin(turn));
    }
    add_column("sign", [](double u, double v) { return u + 0.3 * v < 0.6 ? -1.0 : 1.0; });
    made.params.push_back(0.1);
    made.model = std::make_unique<Logistic>(table());
    std::vector<limits::Column> features;
    for (std::size_t k = 0; k < num_features; ++k) features.push_back(span(fmt::format("x{}", k)));
    made.limit = [features, s = span("sign"), p = made.params](auto gradient) {
      return limits::logistic(features, s, p, gradient);
    };
  } else if (name == "mixture") {
    made.params = {-2.0, -1.0, 0.0, 1.0, 2.0, -0.5, -0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.2, 0.1};
    add_column("x", [](double u, double v) { return normal(u, v) + std::floor(5.0 * v) - 2.0; });
    made.model = std::make_unique<Mixture>(table());
    made.limit = [x = span("x"), p = made.params](auto gradient) { return limits::mixture(x, p, gradient); };
  } else if (name == "lanes") {
    made.params = {1.0, 3.0};
    add_column("x", [](double u, double) { return u; });
    made.model = std::make_unique<Lanes>(table(), size);
  } else if (name == "params") {
    made.params.assign(size, 0.5);
    add_column("x", [](double u, double) { return u; });
    add_column("w", [](double, double v) { return v; });
    made.model = std::make_unique<Polynomial>(table());
  } else if (name == "massfit") {
    made.params = {peak_mass + 0.001, peak_width + 0.001, tail_slope + 0.1, peak_fraction - 0.02};
    add_column("mass", mass_of_event);
    made.model = std::make_unique<MassFit>(table());
    made.limit = [x = span("mass"), p = made.params](auto gradient) {
      return limits::massfit(x, lowest_mass, highest_mass, p, gradient);
    };
  } else {
    throw std::runtime_error(
        fmt::format("expected a model that tools/bench --help names, or lanes or params, but got '{}'", name));
  }
  return made;
}

}  // namespace benchmarks
