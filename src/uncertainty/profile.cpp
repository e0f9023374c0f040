// Losses as functions of one parameter, minimized over the others, and where they cross a level.
#include "allgrad/profile.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "allgrad/error.hpp"
#include "base/finite.hpp"
#include "comm/call.hpp"

namespace allgrad {

namespace {

/// The other parameters at their best, for one value of the parameter after the other.
class Refits {
 public:
  Refits(ModelBase& model, const OptimizeResult& fit, std::string_view parameter, const ProfileOptions& options,
         SourceLocation where)
      : objective_(model.objective(fit.x.size(), where)), optimizer_(options.optimizer), where_(where) {
    model.communicator().attempt([&] {
      if (!options.params.empty() && options.params.size() != fit.x.size()) {
        refuse(fmt::format("as many .params as the fit has, {}, got {}", fit.x.size(), options.params.size()));
      }
      params_ = declared_by(model, fit, options);
      const auto found = std::ranges::find(params_, parameter, &Param::name);
      if (found == params_.end()) {
        std::vector<std::string> names;
        for (const Param& param : params_) names.push_back(param.name);
        refuse(fmt::format("the name of a parameter, one of {}, got {}", fmt::join(names, ", "), parameter));
      }
      if (found->frozen) refuse(fmt::format("a parameter that is free, got {}, which is frozen", parameter));
      if (!optimizer_.param_bounds.empty() || !optimizer_.checkpoint.file.empty()) {
        refuse("an optimizer without param_bounds and checkpoint, got one that has them; declare bounds in .params");
      }
      index_ = static_cast<std::size_t>(found - params_.begin());
      params_[index_].frozen = true;
      has_others_ = std::ranges::any_of(params_, [](const Param& param) { return !param.frozen; });
      start(fit);
    });
  }

  /// The parameters with their names.
  static Params declared_by(const ModelBase& model, const OptimizeResult& fit, const ProfileOptions& options) {
    if (!options.params.empty()) return Guess(options.params).params();
    Params params = Guess(fit.x).declared_by(model.params()).params();
    for (std::size_t i = 0; i < fit.names.size(); ++i) params[i].name = fit.names[i];
    for (Param& param : params) {
      if (param.scale.is_automatic()) param.scale = 1.0;  // next to the minimum, the gradient tells of none
    }
    return params;
  }

  const Param& parameter() const { return params_[index_]; }
  std::size_t index() const { return index_; }

  /// The next fit starts there.
  void start(const OptimizeResult& at) {
    for (std::size_t i = 0; i < params_.size(); ++i) params_[i].guess = at.x(i);
  }

  /// At a value of the parameter; the next fit starts from its result.
  OptimizeResult at(double value) {
    if (!(value >= parameter().bounds.low && value <= parameter().bounds.high)) {
      objective_.communicator().attempt([&] {
        refuse(fmt::format("values of {} within its bounds [{}, {}], got {}", parameter().name, parameter().bounds.low,
                           parameter().bounds.high, value));
      });
    }
    params_[index_].guess = value;
    if (has_others_) {
      OptimizeResult fit = optimizer_.minimize(objective_, params_, where_);
      start(fit);
      return fit;
    }
    OptimizeResult result{.success = true, .x = xt::xtensor<double, 1>::from_shape({params_.size()})};
    for (std::size_t i = 0; i < params_.size(); ++i) result.x(i) = params_[i].guess;
    result.fun = objective_.value({result.x.data(), result.x.size()}, {.randkey = optimizer_.randkey});
    return result;
  }

 private:
  [[noreturn]] void refuse(const std::string& expected) const {
    throw ArgumentError("profile: expected " + expected, where_);
  }

  Objective& objective_;
  TrustRegion optimizer_;
  SourceLocation where_;
  Params params_;  // as the next fit takes them
  std::size_t index_ = 0;
  bool has_others_ = true;
};

/// Of the loss, minimized over the others, in units of errordef.
double rise_at(Refits& refits, const OptimizeResult& fit, double value, double errordef, SourceLocation where) {
  const double rise = (refits.at(value).fun - fit.fun) / errordef;
  constexpr double rounding = 1e-3;
  if (rise >= -rounding) return rise;
  throw ArgumentError(
      fmt::format("asymmetric_error: expected the minimum of the loss, got a fit with a loss of {:.8g}, "
                  "where it is {:.8g} at {} = {:.8g}; fit again from there",
                  fit.fun, fit.fun + rise * errordef, refits.parameter().name, value),
      where);
}

/// The distance from the minimum at which the loss has risen by errordef, on one side; starting from that of a
/// parabola.
struct Crossing {
  double distance;
  bool at_bound = false;
};

/// The root of the rise is nearly linear in the distance: by regula falsi on it, within what is known to be too near
/// and too far.
Crossing find_crossing(Refits& refits, const OptimizeResult& fit, double errordef, double guess, double sign,
                       SourceLocation where) {
  const Param& param = refits.parameter();
  const double minimum = fit.x(refits.index());
  const double room = sign < 0.0 ? minimum - param.bounds.low : param.bounds.high - minimum;
  constexpr double tolerance = 1e-4, most_errors = 1e6;
  constexpr int most = 60;
  double near = 0.0, root_near = 0.0, far = infinity, root_far = infinity;
  double distance = std::min(guess, room);
  if (room == 0.0) return {0.0, true};
  refits.start(fit);
  for (int i = 0; i < most; ++i) {
    const bool is_bound = distance >= room;
    const double value = is_bound ? (sign < 0.0 ? param.bounds.low : param.bounds.high) : minimum + sign * distance;
    const double rise = rise_at(refits, fit, value, errordef, where);
    const double root = std::sqrt(std::max(rise, 0.0));
    if (std::abs(root - 1.0) <= tolerance) return {distance};
    if (root < 1.0) {
      if (is_bound) return {room, true};
      near = distance;
      root_near = root;
    } else {
      far = distance;
      root_far = root;
    }
    if (far - near <= tolerance * near) break;
    // Of a long way to go, at most five times what is known.
    const double next = std::isfinite(far) ? near + (far - near) * (1.0 - root_near) / (root_far - root_near)
                                           : near * std::min(5.0, 1.0 / std::max(root_near, 1e-3));
    const double middle = 0.5 * (near + far);
    distance = std::isfinite(far) && i % 4 == 3 ? middle : std::min(next, room);
    if (distance > most_errors * guess) return {infinity};
  }
  return {std::isfinite(far) ? 0.5 * (near + far) : infinity};
}

}  // namespace

Profile profile(ModelBase& model, const OptimizeResult& fit, std::string_view parameter, const ParamValues& values,
                const ProfileOptions& options, SourceLocation where) {
  return in_call("profile", where, model.communicator(), [&] {
    Refits refits(model, fit, parameter, options, where);
    const std::span<const double> given = values;
    const std::size_t n = given.size(), ndim = fit.x.size();
    Profile result{.name = std::string(parameter),
                   .values = xt::xtensor<double, 1>::from_shape({n}),
                   .losses = xt::xtensor<double, 1>::from_shape({n}),
                   .params = xt::xtensor<double, 2>::from_shape({n, ndim}),
                   .success = std::vector<bool>(n),
                   .minimum = fit.x(refits.index()),
                   .loss = fit.fun};
    const double minimum = result.minimum;
    std::vector<std::size_t> order(n);  // outwards
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return std::abs(given[i] - minimum); });
    for (const bool is_above : {false, true}) {
      refits.start(fit);
      for (const std::size_t i : order) {
        if ((given[i] > minimum) != is_above) continue;
        const OptimizeResult at = refits.at(given[i]);
        result.values(i) = given[i];
        result.losses(i) = at.fun;
        result.success[i] = at.success;
        std::ranges::copy(at.x, result.params.begin() + static_cast<std::ptrdiff_t>(i * ndim));
      }
    }
    return result;
  });
}

AsymmetricError asymmetric_error(ModelBase& model, const OptimizeResult& fit, std::string_view parameter,
                                 Errordef errordef, const ProfileOptions& options, SourceLocation where) {
  return in_call("asymmetric_error", where, model.communicator(), [&] {
    const Covariance covariance = model.calc_covariance(
        fit.x, {.errordef = errordef, .params = options.params, .randkey = options.optimizer.randkey}, where);
    Refits refits(model, fit, parameter, options, where);
    const double error = covariance.errors()(refits.index());
    rise_at(refits, fit, fit.x(refits.index()), errordef.value, where);
    const Crossing lower = find_crossing(refits, fit, errordef.value, error, -1.0, where);
    const Crossing upper = find_crossing(refits, fit, errordef.value, error, 1.0, where);
    return AsymmetricError{.name = std::string(parameter),
                           .value = fit.x(refits.index()),
                           .lower = -lower.distance,
                           .upper = upper.distance,
                           .lower_at_bound = lower.at_bound,
                           .upper_at_bound = upper.at_bound};
  });
}

std::vector<Impact> impacts(ModelBase& model, const OptimizeResult& fit, std::string_view parameter, Errordef errordef,
                            const ProfileOptions& options, SourceLocation where) {
  return in_call("impacts", where, model.communicator(), [&] {
    const std::size_t index = Refits(model, fit, parameter, options, where).index();
    const Params params = Refits::declared_by(model, fit, options);
    const Covariance covariance = model.calc_covariance(
        fit.x, {.errordef = errordef, .params = params, .randkey = options.optimizer.randkey}, where);
    const auto error = covariance.errors();
    std::vector<Impact> result;
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (i == index || params[i].frozen) continue;
      const auto change = [&](double value) {
        Refits refits(model, fit, params[i].name, options, where);
        return refits.at(std::clamp(value, params[i].bounds.low, params[i].bounds.high)).x(index) - fit.x(index);
      };
      result.push_back({params[i].name, change(fit.x(i) - error(i)), change(fit.x(i) + error(i))});
    }
    const auto size = [](const Impact& impact) { return std::max(std::abs(impact.lower), std::abs(impact.upper)); };
    std::ranges::stable_sort(result, std::greater<>(), size);
    return result;
  });
}

std::string AsymmetricError::str() const {
  return fmt::format("{} = {:.6g} -{:.3g}{} +{:.3g}{}", name, value, -lower, lower_at_bound ? " (its bound)" : "",
                     upper, upper_at_bound ? " (its bound)" : "");
}

}  // namespace allgrad
