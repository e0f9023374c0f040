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
  const auto [first, last] = ag::share_of_rows(rows, comm);
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

/// What the models are made of.
struct Builder {
  const std::string& name;
  std::size_t size;
  std::size_t rows;
  const ag::Communicator& comm;
  const ag::CompileOptions& options;
  Model made = {};

  void add_column(const std::string& column, auto value) {
    made.columns.emplace(column, make_column(rows, comm, value));
  }
  ag::Table table() const {
    ag::Table::Columns columns;
    for (const auto& [column, values] : made.columns) columns.emplace_back(column, ag::borrow(values));
    return {"catalogue", columns, comm};
  }
  limits::Column span(const std::string& column) const {
    const ag::Array& values = made.columns.at(column);
    return {values.data(), values.size()};
  }
};

void make_smf(Builder& b) {
  b.made.params = {-1.9, 0.3};
  b.add_column("log_mass", [](double u, double) { return 10.0 - std::log10(1.0 - 0.95 * u); });
  b.made.model = std::make_unique<models::Smf>(b.table(), b.options);
  b.made.limit = [m = b.span("log_mass"), p = b.made.params](auto gradient) { return limits::smf(m, p, gradient); };
}

void make_gama(Builder& b) {
  const auto observed = observe(b.size);
  b.made.params = {11.59, std::log10(0.0351), 1.376, 0.608, std::log10(0.15)};
  b.add_column("log_mass", [](double u, double) { return 10.5 - std::log10(1.0 - (1.0 - 1e-5) * u); });
  b.made.model = std::make_unique<Gama>(b.table(), observed);
  b.made.limit = [observed, m = b.span("log_mass"), p = b.made.params](auto gradient) {
    return limits::gama(m, observed, p, gradient);
  };
}

void make_hod(Builder& b) {
  b.made.params = {12.2, 0.35, 12.4, 13.3, 1.1};
  b.add_column("log_mass", [](double u, double) { return 11.0 + 4.0 * u; });
  b.add_column("weight", [](double, double v) { return 0.5 + 1.5 * v; });
  b.made.model = std::make_unique<models::Hod>(b.table(), b.options);
  b.made.limit = [m = b.span("log_mass"), w = b.span("weight"), p = b.made.params](auto gradient) {
    return limits::hod(m, w, p, gradient);
  };
}

void make_twostage(Builder& b) {
  b.made.params = {0.8, 0.2};
  b.add_column("x", [](double u, double v) { return 0.3 + 1.2 * normal(u, v); });
  b.made.model = std::make_unique<models::TwoStage>(b.table(), b.options);
  b.made.limit = [x = b.span("x"), p = b.made.params](auto gradient) { return limits::twostage(x, p, gradient); };
}

void make_wide(Builder& b) {
  auto constants = ag::Array::from_shape({22, 94, 9});
  for (std::size_t i = 0; i < constants.size(); ++i) constants.flat(i) = 0.5 + spread(i, 0.6180339887498949);
  b.made.params = {1.0, 1.0};
  b.add_column("x", [](double u, double) { return u; });
  b.add_column("w", [](double, double v) { return 0.5 + v; });
  b.made.model = std::make_unique<Wide>(b.table(), constants);
  b.made.limit = [constants, x = b.span("x"), w = b.span("w"), p = b.made.params](auto gradient) {
    return limits::wide(x, w, {constants.data(), constants.size()}, p, gradient);
  };
}

void make_poisson(Builder& b) {
  b.made.params = {0.1, -0.1, 0.1, -0.5, 0.3};
  b.add_column("x", [](double u, double v) { return 0.8 * normal(u, v); });
  b.add_column("y", [](double u, double v) { return 0.6 * normal(v, u); });
  b.made.model = std::make_unique<models::Poisson>(b.table(), b.options);
}

void make_growth(Builder& b) {
  b.made.params = {2.5, 0.2, 0.3, -0.05, 0.4, 0.05, -1.3, 12.0, 0.8, -0.9, 0.25, -1.5};
  b.add_column("log_mass", [](double u, double) { return 11.0 + 3.0 * u; });
  b.add_column("weight", [](double, double v) { return 0.5 + 1.5 * v; });
  b.add_column("log_tq", [](double u, double v) { return 0.5 + 0.7 * std::fmod(u + v, 1.0); });
  b.made.model = std::make_unique<models::Growth>(b.table(), b.options);
  b.made.limit = [m = b.span("log_mass"), w = b.span("weight"), t = b.span("log_tq"),
                  p = b.made.params](auto gradient) { return limits::growth(m, w, t, p, gradient); };
}

void make_photometry(Builder& b) {
  b.made.params = {-0.3, 0.2, 0.8, -0.6, 0.3, 0.25};
  b.add_column("redshift", [](double u, double) { return 0.05 + 1.9 * u; });
  b.add_column("log_mstar", [](double u, double v) { return 0.6 * normal(u, v); });
  const auto library = b.name == "dsps" ? models::StellarLibrary(15, 22, 94, 9) : models::StellarLibrary(5, 6, 10, 3);
  b.made.model = std::make_unique<models::Photometry>(b.table(), b.options, library);
  b.made.limit = [grid = as_vectors(library), z = b.span("redshift"), m = b.span("log_mstar"),
                  p = b.made.params](auto gradient) { return limits::photometry(z, m, grid, p, gradient); };
}

void make_kernels(Builder& b) {
  b.made.params = {0.1, -0.1, 0.2, 0.9, 1.1, 0.8, 0.4};
  b.add_column("x", [](double u, double v) { return normal(u, v); });
  b.add_column("y", [](double u, double v) { return normal(v, u); });
  b.add_column("z", [](double u, double v) { return normal(std::fmod(u + v, 1.0), u); });
  b.made.model = std::make_unique<models::Kernels>(b.table(), b.options);
  b.made.limit = [x = b.span("x"), y = b.span("y"), z = b.span("z"), p = b.made.params](auto gradient) {
    return limits::kernels(x, y, z, p, gradient);
  };
}

void make_histogram(Builder& b) {
  constexpr std::size_t num_bins = 100000;
  b.made.params = {0.1, -0.2};
  b.add_column("x", [](double u, double) { return u; });
  b.add_column("bin", [](double, double v) { return std::floor(static_cast<double>(num_bins) * v); });
  b.made.model = std::make_unique<Histogram>(b.table(), num_bins);
  b.made.limit = [b = b.span("bin"), x = b.span("x"), p = b.made.params](auto gradient) {
    return limits::histogram(b, x, num_bins, p, gradient);
  };
}

void make_logistic(Builder& b) {
  constexpr std::size_t num_features = 20;
  for (std::size_t k = 0; k < num_features; ++k) {
    const double turn = static_cast<double>(k);
    b.add_column(fmt::format("x{}", k), [=](double u, double v) { return std::cos(turn + 6.0 * u + turn * v); });
    b.made.params.push_back(0.1 * std::sin(turn));
  }
  b.add_column("sign", [](double u, double v) { return u + 0.3 * v < 0.6 ? -1.0 : 1.0; });
  b.made.params.push_back(0.1);
  b.made.model = std::make_unique<Logistic>(b.table());
  std::vector<limits::Column> features;
  for (std::size_t k = 0; k < num_features; ++k) features.push_back(b.span(fmt::format("x{}", k)));
  b.made.limit = [features, s = b.span("sign"), p = b.made.params](auto gradient) {
    return limits::logistic(features, s, p, gradient);
  };
}

void make_mixture(Builder& b) {
  b.made.params = {-2.0, -1.0, 0.0, 1.0, 2.0, -0.5, -0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.2, 0.1};
  b.add_column("x", [](double u, double v) { return normal(u, v) + std::floor(5.0 * v) - 2.0; });
  b.made.model = std::make_unique<Mixture>(b.table());
  b.made.limit = [x = b.span("x"), p = b.made.params](auto gradient) { return limits::mixture(x, p, gradient); };
}

void make_lanes(Builder& b) {
  b.made.params = {1.0, 3.0};
  b.add_column("x", [](double u, double) { return u; });
  b.made.model = std::make_unique<Lanes>(b.table(), b.size);
}

void make_params(Builder& b) {
  b.made.params.assign(b.size, 0.5);
  b.add_column("x", [](double u, double) { return u; });
  b.add_column("w", [](double, double v) { return v; });
  b.made.model = std::make_unique<Polynomial>(b.table());
}

void make_massfit(Builder& b) {
  b.made.params = {peak_mass + 0.001, peak_width + 0.001, tail_slope + 0.1, peak_fraction - 0.02};
  b.add_column("mass", mass_of_event);
  b.made.model = std::make_unique<MassFit>(b.table());
  b.made.limit = [x = b.span("mass"), p = b.made.params](auto gradient) {
    return limits::massfit(x, lowest_mass, highest_mass, p, gradient);
  };
}

struct Maker {
  void (*make)(Builder&);
  std::size_t rows = 0;  // where the size is of something else
};

const std::map<std::string, Maker> makers{
    {"smf", {make_smf}},
    {"gama", {make_gama}},
    {"hod", {make_hod}},
    {"twostage", {make_twostage}},
    {"wide", {make_wide}},
    {"poisson", {make_poisson}},
    {"growth", {make_growth}},
    {"photometry", {make_photometry}},
    {"dsps", {make_photometry}},
    {"kernels", {make_kernels}},
    {"histogram", {make_histogram}},
    {"logistic", {make_logistic}},
    {"mixture", {make_mixture}},
    {"lanes", {make_lanes, 100000}},
    {"params", {make_params, 100000}},
    {"massfit", {make_massfit}},
};

}  // namespace

Model make_model(const std::string& name, std::size_t size, const ag::Communicator& comm,
                 const ag::CompileOptions& options) {
  const auto found = makers.find(name);
  if (found == makers.end()) {
    throw std::runtime_error(
        fmt::format("expected a model that tools/bench --help names, or lanes or params, but got '{}'", name));
  }
  const auto& [make, rows] = found->second;
  Builder builder{name, size, rows > 0 ? rows : size, comm, options};
  make(builder);
  return std::move(builder.made);
}

}  // namespace benchmarks
