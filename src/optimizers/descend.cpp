#include "optimizers/descend.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "allgrad/error.hpp"
#include "optimizers/finite.hpp"
#include "optimizers/notify.hpp"

namespace allgrad {

namespace {

struct Walk {
  Walk(std::span<const double> guess, std::size_t nsteps)
      : params(guess.begin(), guess.end()),
        gradient(guess.size()),
        path{.loss = xt::xtensor<double, 1>(std::array{nsteps}),
             .params = xt::xtensor<double, 2>(std::array{nsteps + 1, guess.size()})} {}

  void record_params(std::size_t step) { std::ranges::copy(params, path.params.data() + step * params.size()); }

  std::vector<double> params;
  std::vector<double> gradient;
  Trajectory path;
};

void check_finite(std::string_view optimizer, const Iterate& iterate, SourceLocation where) {
  if (std::isfinite(iterate.loss) && all_finite(iterate.gradient)) return;
  const bool at_guess = iterate.step == 0;
  throw Error(fmt::format("{}: expected a finite loss and gradient, got loss {} and gradient [{}] at step {}, at the "
                          "parameters [{}]. {}",
                          optimizer, iterate.loss, fmt::join(iterate.gradient, ", "), iterate.step,
                          fmt::join(iterate.params, ", "),
                          at_guess ? "Start from a guess at which the loss is finite."
                                   : "Lower learning_rate, start from a better guess, or use Lbfgsb, which steps back "
                                     "from such points."),
              where);
}

void check_step(std::string_view optimizer, std::size_t step, std::span<const double> params, const Communicator& comm,
                SourceLocation where) {
  if (all_finite(params)) return;
  comm.synchronize();  // an exception in a callback comes first
  throw Error(fmt::format("{}: expected finite parameters after step {}, got [{}]. Lower learning_rate.", optimizer,
                          step, fmt::join(params, ", ")),
              where);
}

}  // namespace

Trajectory descend(std::string_view optimizer, Objective& objective, std::span<const double> guess, std::size_t nsteps,
                   UpdateRule& rule, const Callback& callback, SourceLocation where) {
  const Communicator& comm = objective.communicator();
  Walk walk = comm.guarded([&] { return Walk(guess, nsteps); });
  walk.record_params(0);
  for (std::size_t step = 0; step < nsteps; ++step) {
    const double loss = objective.value_and_gradient(walk.params, walk.gradient);
    const Iterate iterate{.step = step, .loss = loss, .params = walk.params, .gradient = walk.gradient};
    check_finite(optimizer, iterate, where);
    notify(callback, iterate, comm);
    rule.update(walk.gradient, walk.params);
    check_step(optimizer, step, walk.params, comm, where);
    walk.path.loss(step) = loss;
    walk.record_params(step + 1);
  }
  comm.synchronize();
  return std::move(walk.path);
}

}  // namespace allgrad
