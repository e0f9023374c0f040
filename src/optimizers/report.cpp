#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "allgrad/optimize_result.hpp"
#include "allgrad/trajectory.hpp"
#include "optimizers/named.hpp"

namespace allgrad {

namespace {

std::span<const double> numbers(const xt::xtensor<double, 1>& values) { return {values.data(), values.size()}; }

std::string describe(const BestPoint& best, std::span<const std::string> names) {
  return fmt::format("{:.8g} at step {}, {}", shown(best.loss), best.step,
                     named_or_listed(names, numbers(best.params)));
}

}  // namespace

xt::xtensor<double, 1> Trajectory::last_params() const {
  const std::size_t ndim = params.shape(1);
  xt::xtensor<double, 1> last(std::array{ndim});
  std::copy_n(params.data() + params.size() - ndim, ndim, last.begin());
  return last;
}

std::string Trajectory::str() const {
  const std::size_t ndim = params.shape(1);
  std::string text = fmt::format(" message: {}\n success: {}\n  nsteps: {}\n", message, success, loss.size());
  if (loss.size() > 0) {
    text += fmt::format("    loss: {:.8g} ... {:.8g}\n", shown(loss(0)), shown(loss(loss.size() - 1)));
  }
  text += fmt::format("  params: {}", named_or_listed(names, {params.data(), ndim}));
  text += fmt::format(" ... {}\n    best: {}", named_or_listed(names, numbers(last_params())), describe(best, names));
  if (skipped > 0) text += fmt::format("\n skipped: {} steps; of the last: {}", skipped, not_finite);
  return text;
}

std::string OptimizeResult::str() const {
  std::string text = fmt::format(
      " message: {}\n"
      " success: {}\n"
      "     fun: {:.8g}\n"
      "       x: {}\n"
      "     jac: {}\n"
      "    nfev: {}\n"
      "     nit: {}",
      message, success, shown(fun), named_or_listed(names, numbers(x)), named_or_listed(names, numbers(jac)), nfev,
      nit);
  if (!at_bounds.empty()) text += fmt::format("\nat bounds: {}", fmt::join(at_bounds, ", "));
  if (std::isless(best.loss, fun)) text += fmt::format("\n    best: {}", describe(best, names));
  if (covariance) text += fmt::format("\n{}", *covariance);
  if (backed_off > 0) text += fmt::format("\nbacked off: {}; the last: {}", backed_off, not_finite);
  return text;
}

}  // namespace allgrad
