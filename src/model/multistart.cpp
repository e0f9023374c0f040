// Fits from several starts, at the same time on parts of a communicator.
#include "allgrad/multistart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "allgrad/error.hpp"
#include "allgrad/exact.hpp"
#include "allgrad/subcomms.hpp"
#include "base/fingerprint.hpp"
#include "comm/call.hpp"
#include "comm/require_same.hpp"
#include "optimizers/lbfgsb_run.hpp"
#include "optimizers/named.hpp"
#include "optimizers/trust_region_run.hpp"
#include "results/result_text.hpp"

namespace allgrad {

namespace {

constexpr std::string_view multistart_call = "run_multistart";

[[noreturn]] void refuse_multistart(const std::string& text, SourceLocation where) {
  throw ArgumentError(fmt::format("{}: expected {}", multistart_call, text), where);
}

xt::xtensor<double, 2> hypercube_between_bounds(const Params& params, const MultistartOptions& options,
                                                SourceLocation where) {
  std::size_t num_free = 0;
  for (const Param& param : params) {
    if (param.frozen) continue;
    ++num_free;
    if (std::isfinite(param.bounds.low) && std::isfinite(param.bounds.high) && param.bounds.low < param.bounds.high) {
      continue;
    }
    refuse_multistart(
        fmt::format("bounds on both sides of {}, between which the starts lie, got [{}, {}]; declare them, or give "
                    ".starts",
                    param.name, param.bounds.low, param.bounds.high),
        where);
  }
  if (num_free == 0) {
    refuse_multistart(fmt::format("a parameter that is free, got {} that are frozen", params.size()), where);
  }
  if (options.num_starts == 0) refuse_multistart("num_starts of at least 1, got 0", where);
  if (!detail::is_array_size(std::array{options.num_starts, params.size()})) {
    refuse_multistart(fmt::format("starts that fit into memory, got num_starts = {}", options.num_starts), where);
  }
  const xt::xtensor<double, 2> unit = latin_hypercube(options.num_starts, num_free, options.seed, where);
  auto starts = xt::xtensor<double, 2>::from_shape({options.num_starts, params.size()});
  for (std::size_t n = 0; n < options.num_starts; ++n) {
    std::size_t k = 0;
    for (std::size_t i = 0; i < params.size(); ++i) {
      const auto& [low, high] = params[i].bounds;
      starts(n, i) = params[i].frozen ? params[i].guess : std::lerp(low, high, unit(n, k++));
    }
  }
  return starts;
}

xt::xtensor<double, 2> starts_of(const Params& params, const MultistartOptions& options, SourceLocation where) {
  const bool is_plain = std::visit(
      [](const auto& optimizer) { return optimizer.param_bounds.empty() && optimizer.checkpoint.file.empty(); },
      options.optimizer);
  if (!is_plain) {
    refuse_multistart(
        "an optimizer without param_bounds and checkpoint, got one that has them; declare bounds with the parameters",
        where);
  }
  if (options.starts.size() == 0) return hypercube_between_bounds(params, options, where);
  if (options.starts.shape(1) != params.size()) {
    refuse_multistart(
        fmt::format("starts of {} numbers, one for each parameter, got {}", params.size(), options.starts.shape(1)),
        where);
  }
  return options.starts;
}

/// What no single fit compares, since it is on some of the ranks alone, is the same on all ranks.
void check_same(const xt::xtensor<double, 2>& starts, const Params& params, const MultistartOptions& options,
                const Communicator& comm, SourceLocation where) {
  std::vector<std::uint64_t> all;
  std::vector<std::string> names;
  const auto add = [&](std::string of, std::uint64_t value) {
    names.push_back(std::move(of));
    all.push_back(value);
  };
  const auto compare = [&] {
    require_same(all, comm, Operation("the comparison of arguments", where), [&](std::size_t different) {
      return DivergenceError(
          fmt::format("{}: expected the same {} on every rank, got different ones; give every rank the same arguments",
                      multistart_call, names[different]),
          where);
    });
  };
  add("optimizer", options.optimizer.index());
  add("number of starts", starts.shape(0));
  add("number of parameters", params.size());
  compare();  // so that equally many follow
  const auto add_number = [&](std::string of, double number) {
    add(std::move(of), std::bit_cast<std::uint64_t>(number));
  };
  add("ranks_per_fit", static_cast<std::uint64_t>(options.ranks_per_fit));
  add_number("tolerance", options.tolerance);
  std::visit(
      [&](const auto& optimizer) {
        for (const Option& option : options_of(optimizer)) {
          add_number(fmt::format("{} of the optimizer", option.name), option.value);
        }
        Fingerprint key;
        key.add(optimizer.randkey);
        add("randkey of the optimizer", key.value());
      },
      options.optimizer);
  for (const Param& param : params) {
    add_number("low bound of " + param.name, param.bounds.low);
    add_number("high bound of " + param.name, param.bounds.high);
    add_number("scale of " + param.name, param.scale.is_automatic() ? 0.0 : param.scale.value());
    add("frozen of " + param.name, param.frozen ? 1U : 0U);
  }
  for (const double number : starts) add_number("starts", number);
  compare();
}

OptimizeResult fit_from(ModelBase& model, Params params, const xt::xtensor<double, 2>& starts, std::size_t n,
                        const MultistartOptions& options, SourceLocation where) {
  for (std::size_t i = 0; i < params.size(); ++i) params[i].guess = starts(n, i);
  return std::visit(
      [&](const auto& optimizer) { return optimizer.minimize(model.objective(params.size(), where), params, where); },
      options.optimizer);
}

/// One that was refused, as where the loss is not finite.
OptimizeResult refused(const Params& params, const xt::xtensor<double, 2>& starts, std::size_t n,
                       const std::string& why) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const std::size_t ndim = params.size();
  OptimizeResult fit{.message = why,
                     .end_reason = EndReason::failed,
                     .fun = nan,
                     .x = xt::xtensor<double, 1>::from_shape({ndim}),
                     .jac = xt::xtensor<double, 1>::from_shape({ndim})};
  for (std::size_t i = 0; i < ndim; ++i) {
    fit.x(i) = starts(n, i);
    fit.jac(i) = nan;
    fit.names.push_back(params[i].name);
  }
  fit.best.params = fit.x;
  return fit;
}

/// Whether `a` is the better one.
bool is_better(const OptimizeResult& a, const OptimizeResult& b) {
  if (a.success != b.success) return a.success;
  return std::isless(a.fun, b.fun) || (std::isnan(b.fun) && !std::isnan(a.fun));
}

std::size_t count_same(const std::vector<OptimizeResult>& fits, const OptimizeResult& best, double tolerance) {
  const std::vector<double>& scale = best.hess_inv.scale();
  return static_cast<std::size_t>(std::ranges::count_if(fits, [&](const OptimizeResult& fit) {
    if (!fit.success) return false;
    for (std::size_t i = 0; i < scale.size(); ++i) {
      if (!(std::abs(fit.x(i) - best.x(i)) <= tolerance * scale[i])) return false;
    }
    return true;
  }));
}

/// Runs the fits of a group, each `step`-th from number `first` on.
std::vector<OptimizeResult> run_share(ModelBase& model, const Params& params, const xt::xtensor<double, 2>& starts,
                                      std::size_t first, std::size_t step, const MultistartOptions& options,
                                      SourceLocation where) {
  std::vector<OptimizeResult> fits;
  for (std::size_t n = first; n < starts.shape(0); n += step) {
    try {
      fits.push_back(fit_from(model, params, starts, n, options, where));
    } catch (const ArgumentError& error) {
      fits.push_back(refused(params, starts, n, error.what()));
    }
  }
  return fits;
}

Multistart collect(std::vector<OptimizeResult> fits, xt::xtensor<double, 2> starts, double tolerance,
                   SourceLocation where) {
  const auto best = std::ranges::min_element(fits, is_better);
  if (std::isnan(best->fun)) throw ArgumentError(best->message, where);
  Multistart result{.best = *best, .starts = std::move(starts), .fits = std::move(fits), .num_at_best = 0};
  result.num_at_best = count_same(result.fits, result.best, tolerance);
  return result;
}

}  // namespace

Multistart run_multistart(ModelBase& model, const Params& params, const MultistartOptions& options,
                          SourceLocation where) {
  return in_call(multistart_call, where, model.communicator(), [&] {
    const Communicator& comm = model.communicator();
    const Params named = Guess(params).params();
    const Operation collection("the collection of fits", where);
    auto starts = comm.attempt([&] { return starts_of(named, options, where); });
    check_same(starts, named, options, comm, where);
    auto fits = run_share(model, named, starts, 0, 1, options, where);
    return comm.guarded([&] { return collect(std::move(fits), std::move(starts), options.tolerance, where); },
                        collection);
  });
}

Multistart run_multistart(const MakeModel& make_model, const Params& params, const MultistartOptions& options,
                          const Communicator& comm, SourceLocation where) {
  return in_call(multistart_call, where, comm, [&] {
    const Params named = Guess(params).params();
    const Operation collection("the collection of fits", where);
    auto starts = comm.attempt([&] {
      if (options.ranks_per_fit < 1) {
        refuse_multistart(fmt::format("ranks_per_fit of at least 1, got {}", options.ranks_per_fit), where);
      }
      return starts_of(named, options, where);
    });
    check_same(starts, named, options, comm, where);
    const std::size_t num_starts = starts.shape(0);
    const int parts = std::clamp(comm.size() / options.ranks_per_fit, 1,
                                 static_cast<int>(std::min<std::size_t>(num_starts, 1U << 30U)));
    const auto [part, num_parts, number] = split_subcomms({.num_groups = parts}, comm, where);
    const auto share = static_cast<std::size_t>(number), step = static_cast<std::size_t>(num_parts);
    std::vector<OptimizeResult> own;
    comm.guarded(
        [&, &own_part = part] {
          const std::unique_ptr<ModelBase> model = own_part.attempt([&] { return make_model(own_part); });
          own = run_share(*model, named, starts, share, step, options, where);
        },
        Operation("the end of fits from several starts", where));
    const std::vector<std::uint64_t> part_of_rank = comm.allgather(share, collection);
    std::vector<OptimizeResult> fits;
    for (std::size_t n = 0; n < num_starts; ++n) {
      const auto root = static_cast<int>(std::ranges::find(part_of_rank, n % step) - part_of_rank.begin());
      const std::string text =
          comm.attempt([&] { return comm.rank() == root ? text_of(own[n / step]) : std::string(); });
      fits.push_back(optimize_result_of(comm.broadcast(text, root, collection), comm));
    }
    return comm.guarded([&] { return collect(std::move(fits), std::move(starts), options.tolerance, where); },
                        collection);
  });
}

std::string Multistart::str() const {
  const auto num_successes = std::ranges::count(fits, true, &OptimizeResult::success);
  return fmt::format("{}\n  starts: {}, of which {} converged, {} of these to this minimum", best.str(), fits.size(),
                     num_successes, num_at_best);
}

}  // namespace allgrad
