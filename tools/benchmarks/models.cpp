#include "models.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <xtensor/xadapt.hpp>
#include <xtensor/xview.hpp>

#include "limits.hpp"
#include "tests/reference_models.hpp"
#include "tools/csv.hpp"

namespace benchmarks {

namespace ag = allgrad;

namespace {

constexpr double bin_width = 0.2, number_density = 0.05;  // of gama: dex, halos per Mpc^3
constexpr double lowest_mass = 5.0, highest_mass = 6.0;   // of massfit
constexpr double peak_mass = 5.28, peak_width = 0.03, tail_slope = -2.0, peak_fraction = 0.3;

/// The model of examples/01_gama_smf.cpp.
class Gama final : public ag::OnePointModel {
 public:
  Gama(const ag::Table& halos, const limits::Observation& observed)
      : OnePointModel(halos.communicator()),
        log_mass_(halos["log_mass"]),
        edges_(xt::adapt(observed.edges)),
        phi_(xt::adapt(observed.value)),
        error_(xt::adapt(observed.error)),
        phi_of_one_(observed.value_of_one) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto x = log_mass_ - params[0];
    const auto ratio = log10(pow(10.0, -params[2] * x) + pow(10.0, params[3] * x));
    const auto log_mstar = log_mass_ + std::log10(2.0) + params[1] - ratio;
    const auto sigma = pow(10.0, params[4]);
    const auto cdf = 0.5 * (1.0 + erf((edges_ - expand_dims(log_mstar, 1)) / (std::sqrt(2.0) * sigma)));
    return phi_of_one_ * diff(sum(cdf, 0));
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& phi) const override {
    const auto chi_squared = sum(square((phi.value - phi_) / error_));
    const auto prior = square((phi.params[4] - std::log10(0.15)) / 0.1);
    return 0.5 * chi_squared + 0.5 * prior;
  }

 private:
  ag::Expr log_mass_;
  ag::Array edges_, phi_, error_;
  double phi_of_one_;
};

/// One statistic of a value per row with many lanes, [rows, 22, 94, 9].
class Wide final : public ag::OnePointModel {
 public:
  Wide(const ag::Table& table, const ag::Array& constants)
      : OnePointModel(table.communicator()), table_(table), constants_(constants) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto expand = [](const ag::Expr& x) { return expand_dims(expand_dims(expand_dims(x, 1), 1), 1); };
    const auto exponent = (params[0] * constants_ + 0.1 * params[1] * expand(table_["x"])) * expand(table_["w"]);
    return sum(exp(-exponent)) / static_cast<double>(table_.total_rows() * constants_.size());
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& mean) const override { return square(log10(mean.value) + 0.3); }

 private:
  ag::Table table_;
  ag::Array constants_;
};

/// The unbinned likelihood of a Gaussian peak on an exponential, each normalized on an interval of masses.
/// params = (mu, sigma, slope, fraction in the peak)
class MassFit final : public ag::OnePointModel {
 public:
  explicit MassFit(const ag::Table& events) : OnePointModel(events.communicator()), events_(events) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto mu = params[0], sigma = params[1], slope = params[2], fraction = params[3], mass = events_["mass"];
    const auto cdf = [&](double x) { return erf((x - mu) / (std::sqrt(2.0) * sigma)); };
    const auto peak_norm = sigma * std::sqrt(0.5 * std::numbers::pi) * (cdf(highest_mass) - cdf(lowest_mass));
    const auto peak = exp(-0.5 * square((mass - mu) / sigma)) / peak_norm;
    const auto tail_norm = (exp(slope * (highest_mass - lowest_mass)) - 1.0) / slope;
    const auto tail = exp(slope * (mass - lowest_mass)) / tail_norm;
    return sum(log(fraction * peak + (1.0 - fraction) * tail));
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& log_likelihood) const override {
    return -log_likelihood.value / static_cast<double>(events_.total_rows());
  }

 private:
  ag::Table events_;
};

/// A statistic for each of some lanes: bells around centers between 0 and 1.
class Lanes final : public ag::OnePointModel {
 public:
  Lanes(const ag::Table& table, std::size_t count)
      : OnePointModel(table.communicator()), x_(table["x"]), centers_(xt::linspace<double>(0.0, 1.0, count)) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return sum(exp(-square((centers_ - params[0] * expand_dims(x_, 1)) * params[1])), 0);
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& counts) const override {
    return mean(square(log10(counts.value) - 1.0));
  }

 private:
  ag::Expr x_;
  ag::Array centers_;
};

/// A polynomial with a coefficient for each of some parameters, under a function.
class Polynomial final : public ag::OnePointModel {
 public:
  explicit Polynomial(const ag::Table& table) : OnePointModel(table.communicator()), x_(table["x"]), y_(table["w"]) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    ag::Expr value = params[-1];
    for (std::size_t k = params.shape()[0].length - 1; k-- > 0;) value = params[k] + value * x_;
    return mean(square(tanh(value) - y_));
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& distance) const override { return log(distance.value); }

 private:
  ag::Expr x_, y_;
};

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
    made.model = std::make_unique<ag::testing::Smf>(table(), options);
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
    made.model = std::make_unique<ag::testing::Hod>(table(), options);
    made.limit = [m = span("log_mass"), w = span("weight"), p = made.params](auto gradient) {
      return limits::hod(m, w, p, gradient);
    };
  } else if (name == "twostage") {
    made.params = {0.8, 0.2};
    add_column("x", [](double u, double v) { return 0.3 + 1.2 * normal(u, v); });
    made.model = std::make_unique<ag::testing::TwoStage>(table(), options);
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
        fmt::format("expected a model of smf, gama, hod, twostage, wide, massfit, lanes, params, but got '{}'; see "
                    "tools/bench --help",
                    name));
  }
  return made;
}

}  // namespace benchmarks
