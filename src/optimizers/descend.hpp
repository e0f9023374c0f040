#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "allgrad/objective.hpp"
#include "allgrad/optimizer.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// How an optimizer moves the parameters [ndim] once it knows the gradient [ndim] there.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;
  virtual void update(std::span<const double> gradient, std::span<double> params) = 0;
};

/// Takes `nsteps` steps from `guess` by `rule`; the arguments have been checked. Collective. Throws Error on every rank
/// where loss, gradient or parameters are not finite.
Trajectory descend(std::string_view optimizer, Objective& objective, std::span<const double> guess, std::size_t nsteps,
                   UpdateRule& rule, const Callback& callback, SourceLocation where);

}  // namespace allgrad
