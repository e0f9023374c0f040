#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "allgrad/error.hpp"
#include "allgrad/optimize_result.hpp"
#include "allgrad/trajectory.hpp"
#include "optimizers/named.hpp"

namespace allgrad {

namespace {

std::span<const double> numbers(const xt::xtensor<double, 1>& values) { return {values.data(), values.size()}; }

std::string describe_result(const BestPoint& best, std::span<const std::string> names,
                            std::span<const std::string> units) {
  return fmt::format("{:.8g} at step {}, {}", shown(best.loss), best.step,
                     named_or_listed(names, numbers(best.params), units));
}

/// "0.5 * sdss = 3.1, gama = 2.2", of the terms of a loss; each is the last of its history.
std::string describe_terms(const AuxValues& terms, const Named<double>& weights) {
  std::string text;
  for (const auto& [name, values] : terms) {
    const auto weight = std::ranges::find(weights, name, [](const auto& entry) { return entry.first; });
    const bool shows_weight = weight != weights.end() && weight->second != 1.0;
    text += fmt::format("{}{}{} = {:.8g}", text.empty() ? "" : ", ",
                        shows_weight ? fmt::format("{:g} * ", weight->second) : "", name,
                        shown(values.size() > 0 ? values.storage().back() : std::nan("")));
  }
  return text;
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
  text += fmt::format("  params: {}", named_or_listed(names, {params.data(), ndim}, units));
  text += fmt::format(" ... {}\n    best: {}", named_or_listed(names, numbers(last_params()), units),
                      describe_result(best, names, units));
  if (!terms.empty()) text += fmt::format("\n   terms: {}", describe_terms(terms, weights));
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
      message, success, shown(fun), named_or_listed(names, numbers(x), units), named_or_listed(names, numbers(jac)),
      nfev, nit);
  if (!terms.empty()) text += fmt::format("\n   terms: {}", describe_terms(terms, weights));
  if (std::isless(best.loss, fun)) text += fmt::format("\n    best: {}", describe_result(best, names, units));
  if (covariance) text += fmt::format("\n{}", *covariance);
  if (backed_off > 0) text += fmt::format("\nbacked off: {}; the last: {}", backed_off, not_finite);
  return text;
}

double OptimizeResult::operator[](const Name& name) const {
  const auto found = std::ranges::find(names, name.text);
  if (found != names.end()) return x(static_cast<std::size_t>(found - names.begin()));
  throw ArgumentError(
      fmt::format("expected the name of a parameter, one of {}, got {}", fmt::join(names, ", "), name.text),
      name.where);
}

}  // namespace allgrad
