#include "evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "compile/program.hpp"

namespace allgrad::testing {

std::string to_string(ExecutorKind executor) {
  return executor == ExecutorKind::tiled ? "tiled executor" : "reference executor";
}

const Communicator& self() {
  static const Communicator self(MPI_COMM_SELF);
  return self;
}

double noise(std::uint64_t index, double low, double high) {
  std::uint64_t z = (index + 1) * 0x9e3779b97f4a7c15ULL;  // SplitMix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return low + (high - low) * std::ldexp(static_cast<double>((z ^ (z >> 31)) >> 11), -53);
}

std::vector<double> noise_column(std::size_t count, std::uint64_t seed, double low, double high) {
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = noise((seed << 32) + i, low, high);
  return values;
}

Table deal(const std::string& name, const WholeColumns& columns, const Deal& split, const Communicator& comm) {
  const auto share = [&] {
    Table::Columns result;
    for (const auto& [column, values] : columns) {
      const auto [first, last] = split(values.size(), comm.rank(), comm.size());
      const std::vector<double> part(values.begin() + static_cast<std::ptrdiff_t>(first),
                                     values.begin() + static_cast<std::ptrdiff_t>(last));
      result.emplace_back(column, may_be_nan(may_be_infinite(part)));
    }
    return result;
  };
  return Table(name, share, comm);
}

namespace {

std::vector<std::vector<double>> run(const NamedOutputs& outputs, const Expr& params, const ParamValues& at,
                                     const Communicator& comm, ExecutorKind executor, const std::optional<Key>& randkey,
                                     const std::optional<DerivativesOf>& gradient = {}) {
  Program program({comm.next_number(), "outputs"}, outputs, params, comm, {executor}, gradient);
  program.run(at, randkey);
  std::vector<std::vector<double>> results;
  for (const auto& [name, expr] : program.graph()) {
    results.emplace_back(program.output(name).begin(), program.output(name).end());
  }
  return results;
}

}  // namespace

std::vector<double> evaluate(const Expr& value, const Expr& params, const ParamValues& at, const Communicator& comm,
                             ExecutorKind executor, const std::optional<Key>& randkey) {
  return run({{"value", value}}, params, at, comm, executor, randkey)[0];
}

LossAndGradient evaluate_with_gradient(const Expr& loss, const Expr& params, const ParamValues& at,
                                       const Communicator& comm, ExecutorKind executor,
                                       const std::optional<Key>& randkey, const std::optional<GradientMode>& mode) {
  const auto results = run({{"loss", loss}}, params, at, comm, executor, randkey, DerivativesOf{loss, {}, mode});
  return {results[0][0], results[1]};
}

ValueAndGradient evaluate_beside_loss(const Expr& value, const Expr& loss, const Expr& params, const ParamValues& at,
                                      const Communicator& comm, ExecutorKind executor) {
  const auto results = run({{"loss", loss}, {"value", value}}, params, at, comm, executor, {}, DerivativesOf{loss});
  return {results[1], results[2]};
}

std::vector<double> numeric_gradient(const std::function<double(std::span<const double>)>& f, const ParamValues& at,
                                     double step) {
  const std::span<const double> center = at;
  std::vector<double> point(center.begin(), center.end()), gradient(center.size());
  for (std::size_t i = 0; i < point.size(); ++i) {
    const auto shifted = [&](double steps) {
      point[i] = center[i] + steps * step;
      const double value = f(point);
      point[i] = center[i];
      return value;
    };
    gradient[i] = (8.0 * (shifted(1.0) - shifted(-1.0)) - (shifted(2.0) - shifted(-2.0))) / (12.0 * step);
  }
  return gradient;
}

double ulps(double expected, double actual) {
  if (expected == actual || (std::isnan(expected) && std::isnan(actual))) return 0.0;
  if (!std::isfinite(expected) || !std::isfinite(actual)) return std::numeric_limits<double>::infinity();
  const double magnitude = std::abs(expected);
  return std::abs(actual - expected) / (std::nextafter(magnitude, HUGE_VAL) - magnitude);
}

double largest(std::span<const double> values) {
  double result = 0.0;
  for (double value : values) result = std::max(result, std::abs(value));
  return result;
}

void check_close(std::span<const double> expected, std::span<const double> actual, double tolerance) {
  REQUIRE(actual.size() == expected.size());
  const double margin = tolerance * largest(expected);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i << ": expected " << expected[i] << ", got " << actual[i]);
    CHECK(std::abs(actual[i] - expected[i]) <= margin);
  }
}

}  // namespace allgrad::testing
