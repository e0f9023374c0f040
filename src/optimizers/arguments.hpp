#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "allgrad/checkpoint.hpp"
#include "allgrad/key.hpp"
#include "allgrad/learning_rate.hpp"
#include "allgrad/objective.hpp"
#include "allgrad/params.hpp"
#include "allgrad/source_location.hpp"
#include "optimizers/checkpoint_file.hpp"
#include "optimizers/param_space.hpp"

namespace allgrad {

/// An option of an optimizer with what is allowed for it.
struct Option {
  static Option positive(std::string_view name, double value);
  static Option not_negative(std::string_view name, double value);
  static Option fraction(std::string_view name, double value);    // 0 <= value < 1
  static Option count(std::string_view name, std::size_t value);  // 1 <= value, within what an int holds
  static Option flag(std::string_view name, bool value);
  static Option limit(std::string_view name, std::size_t value);  // a count that does not change the path
  static Option every(const Checkpoint& checkpoint);
  static Option resume(const Checkpoint& checkpoint);
  static Option rate(const LearningRate& rate);  // of a schedule, that of the first step

  std::string_view name;
  double value;
  bool allowed;
  std::string_view expected;  // "a finite number above 0"
  bool changes_path = true;
};

/// What a minimization is given.
struct Arguments {
  std::string_view optimizer;
  Objective& objective;
  const Guess& guess;
  const Bounds& param_bounds;
  const std::optional<Key>& randkey;
  SourceLocation where;
};

/// The options of an optimizer. Called on each rank: it may call functions of the user, who may throw.
using Options = std::function<std::vector<Option>()>;

/// Throws ArgumentError for the first that is not allowed.
void check_options(std::string_view optimizer, const std::vector<Option>& options, SourceLocation where);

/// What has been found to be usable, and the same on all ranks.
struct Checked {
  Params params;
  Identity identity;  // optimizer, parameters, key, and the options that change the path
};

/// The parameters to start from, on every rank; or throws on every rank: ArgumentError where an argument cannot be
/// used, DivergenceError where they are not the same on all ranks. Collective over the objective's communicator.
Checked check_arguments(const Arguments& arguments, BoundsBy bounds_by, const Options& options);

}  // namespace allgrad
