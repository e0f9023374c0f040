#include <fmt/format.h>
#include <fmt/ranges.h>

#include "allgrad/lbfgsb.hpp"
#include "allgrad/optimizer.hpp"

namespace allgrad {

namespace {

std::string numbers(std::span<const double> values) { return fmt::format("[{:.8g}]", fmt::join(values, ", ")); }

}  // namespace

std::string Trajectory::str() const {
  const std::size_t nsteps = loss.size();
  const std::size_t ndim = params.shape(1);
  const std::span<const double> all(params.data(), params.size());
  return fmt::format(
      " nsteps: {}\n"
      "   loss: {:.8g} ... {:.8g}\n"
      " params: {} ... {}",
      nsteps, loss(0), loss(nsteps - 1), numbers(all.first(ndim)), numbers(all.last(ndim)));
}

std::string OptimizeResult::str() const {
  return fmt::format(
      " message: {}\n"
      " success: {}\n"
      "     fun: {:.8g}\n"
      "       x: {}\n"
      "     jac: {}\n"
      "    nfev: {}\n"
      "     nit: {}",
      message, success, fun, numbers(x), numbers(jac), nfev, nit);
}

}  // namespace allgrad
