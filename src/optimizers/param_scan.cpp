#include "optimizers/param_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>
#include <string>

#include "allgrad/error.hpp"
#include "allgrad/exact.hpp"
#include "allgrad/random.hpp"
#include "comm/require_same.hpp"
#include "optimizers/aux_record.hpp"

namespace allgrad {

namespace {

void check_limits(const ScanPoints& points, SourceLocation where) {
  const auto refuse = [&](const std::string& text) { throw ArgumentError("run_lhs_param_scan: " + text, where); };
  if (points.n_dim == 0) refuse("expected at least one parameter, got n_dim = 0; give the number of parameters");
  if (points.num_evaluations == 0) refuse("expected num_evaluations of at least 1, got 0; give the number of points");
  if (!detail::is_array_size(std::array{points.num_evaluations, points.n_dim})) {
    refuse(
        fmt::format("expected points that fit into memory, got num_evaluations = {} and n_dim = {}; is one a wrong "
                    "number, or negative?",
                    points.num_evaluations, points.n_dim));
  }
  for (const auto& [name, limits] : {std::pair("xmins", &points.xmins), std::pair("xmaxs", &points.xmaxs)}) {
    if (limits->fits(points.n_dim)) continue;
    refuse(fmt::format("expected one number in {} for all parameters or {}, one for each, got {}", name, points.n_dim,
                       limits->size()));
  }
  for (std::size_t i = 0; i < points.n_dim; ++i) {
    const double low = points.xmins[i], high = points.xmaxs[i];
    if (std::isfinite(low) && std::isfinite(high) && low < high) continue;
    refuse(fmt::format("expected finite limits with xmins below xmaxs, got {} and {} for parameter {}", low, high, i));
  }
}

void check_same_scan(const ScanPoints& points, const Communicator& comm, SourceLocation where) {
  std::vector<std::uint64_t> all{points.n_dim, points.num_evaluations, points.seed.has_value() ? 1U : 0U};
  std::vector<std::string> names{"n_dim", "num_evaluations", "choice of whether there is a seed"};
  const auto check = [&] {
    require_same(all, comm, Operation("the comparison of arguments", where), [&](std::size_t different) {
      return DivergenceError(
          fmt::format("run_lhs_param_scan: expected the same {} on every rank, got different ones; give "
                      "every rank the same arguments",
                      names[different]),
          where);
    });
  };
  check();  // the number of limits has to be the same before they are compared
  all.push_back(points.seed.value_or(0));
  names.emplace_back("seed");
  for (std::size_t i = 0; i < points.n_dim; ++i) {
    for (const auto& [name, limits] : {std::pair("xmins", &points.xmins), std::pair("xmaxs", &points.xmaxs)}) {
      all.push_back(std::bit_cast<std::uint64_t>((*limits)[i]));
      names.push_back(fmt::format("{}[{}]", name, i));
    }
  }
  check();
}

std::uint64_t seed_of(const ScanPoints& points, const Communicator& comm, SourceLocation where) {
  if (points.seed) return *points.seed;
  const std::uint64_t own = comm.attempt([&] {
    if (!comm.is_root()) return std::uint64_t{0};
    std::random_device device;
    const std::uint64_t high = device(), low = device();
    return high << 32 | low;
  });
  return comm.allgather(own, Operation("the choice of a seed", where))[0];
}

ParamScan evaluate_all(const ScanPoints& points, std::uint64_t seed,
                       const std::function<ScanPoint(std::span<const double>)>& evaluate, const Communicator& comm,
                       SourceLocation where) {
  const std::size_t n = points.num_evaluations;
  ParamScan scan;
  scan.seed = seed;
  scan.params = latin_hypercube(n, points.n_dim, scan.seed, where);
  scan.losses = xt::xtensor<double, 1>::from_shape({n});
  AuxRecord sumstats, aux, terms;
  for (std::size_t i = 0; i < n; ++i) {
    const std::span<double> params(scan.params.data() + i * points.n_dim, points.n_dim);
    for (std::size_t d = 0; d < points.n_dim; ++d) {
      params[d] = points.xmins[d] + (points.xmaxs[d] - points.xmins[d]) * params[d];
    }
    // A rank that failed after the last point says so here: in a model of a group others would wait for it.
    comm.synchronize(Operation("a point of a scan", where).with("point", i));
    const ScanPoint point = evaluate(params);
    scan.losses(i) = point.loss;
    sumstats.add({{"sumstats", point.sumstats}});
    aux.add(point.loss.aux);
    terms.add(point.loss.terms);
  }
  scan.sumstats = sumstats.stacked()["sumstats"];
  scan.aux = aux.stacked();
  scan.terms = terms.stacked();
  return scan;
}

}  // namespace

xt::xtensor<double, 2> latin_hypercube(std::size_t num_samples, std::size_t n_dim, const Key& key,
                                       SourceLocation where) {
  detail::check_array_size(std::array{num_samples, n_dim}, where);
  auto points = xt::xtensor<double, 2>::from_shape({num_samples, n_dim});
  std::vector<std::size_t> interval(num_samples);
  for (std::size_t d = 0; d < n_dim; ++d) {
    const auto keys = random::split(random::fold_in(key, static_cast<std::uint32_t>(d)));
    const auto order = random::bits<std::uint64_t>(keys[0], {num_samples});
    const auto place = random::uniform(keys[1], {num_samples});
    std::iota(interval.begin(), interval.end(), std::size_t{0});
    std::ranges::sort(interval, {}, [&](std::size_t i) { return std::pair(order(i), i); });
    for (std::size_t i = 0; i < num_samples; ++i) {
      points(i, d) = (static_cast<double>(interval[i]) + place(i)) / static_cast<double>(num_samples);
    }
  }
  return points;
}

ParamScan scan_latin_hypercube(const ScanPoints& points,
                               const std::function<ScanPoint(std::span<const double>)>& evaluate,
                               const Communicator& comm, SourceLocation where) {
  return comm.guarded(
      [&] {
        check_limits(points, where);
        check_same_scan(points, comm, where);
        return evaluate_all(points, seed_of(points, comm, where), evaluate, comm, where);
      },
      Operation("the end of a scan", where));
}

}  // namespace allgrad
