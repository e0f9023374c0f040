#include "optimizers/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "allgrad/error.hpp"
#include "comm/require_same.hpp"
#include "optimizers/check_params.hpp"
#include "optimizers/named.hpp"

namespace allgrad {

namespace {

// What has to be the same on all ranks.
struct Item {
  enum class Kind { number, word, hash };

  std::string name;
  std::uint64_t bits;
  Kind kind = Kind::number;

  static Item number(std::string name, double value) { return {std::move(name), std::bit_cast<std::uint64_t>(value)}; }

  std::string text(std::uint64_t value) const {
    if (kind == Kind::number) return fmt::format("{}", std::bit_cast<double>(value));
    return kind == Kind::word ? fmt::format("{}", value) : "another";
  }
};

// Equally many on all ranks.
std::vector<Item> items_of(const Arguments& arguments, const Params& params, const std::vector<Option>& options) {
  std::vector<Item> items;
  for (const Option& option : options) items.push_back(Item::number(std::string(option.name), option.value));
  const auto& key = arguments.randkey;
  items.push_back({"presence of a randkey", key.has_value(), Item::Kind::word});
  for (const std::size_t i : {0U, 1U}) {
    items.push_back({fmt::format("word {} of randkey", i), key ? key->words()[i] : 0U, Item::Kind::word});
  }
  for (const Param& param : params) {
    const auto add = [&](std::string_view what, double value) {
      items.push_back(Item::number(fmt::format("{} of {}", what, param.name), value));
    };
    items.push_back({"name of " + param.name, std::hash<std::string>{}(param.name), Item::Kind::hash});
    items.push_back({"unit of " + param.name, std::hash<std::string>{}(param.unit), Item::Kind::hash});
    add("guess", param.guess);
    add("low bound", param.bounds.low);
    add("high bound", param.bounds.high);
    add("scale", param.scale.is_automatic() ? -1.0 : param.scale.value());
    items.push_back({"frozen of " + param.name, param.frozen, Item::Kind::word});
  }
  return items;
}

// The numbers are as text with all digits.
Identity identity_of(const Arguments& arguments, const Params& params, std::vector<Option> options) {
  std::erase_if(options, [](const Option& option) { return !option.changes_path; });
  std::vector<std::string_view> names;
  for (const Param& param : params) names.push_back(param.name);
  Identity identity{{"optimizer", std::string(arguments.optimizer)},
                    {"parameters", fmt::format("{}", fmt::join(names, ", "))}};
  for (const Item& item : items_of(arguments, params, options)) {
    if (item.kind != Item::Kind::hash) identity.emplace_back(item.name, item.text(item.bits));
  }
  return identity;
}

// Says what an item is on all ranks; collective.
/// Collective: what is wrong where ranks have other values of the item.
DivergenceError divergence_of(const Item& item, const Arguments& arguments) {
  const Communicator& comm = arguments.objective.communicator();
  std::vector<std::string> values;
  for (const std::uint64_t on_rank :
       comm.allgather(item.bits, Operation("the comparison of arguments", arguments.where))) {
    values.push_back(item.kind == Item::Kind::hash && on_rank == item.bits ? "this" : item.text(on_rank));
  }
  return DivergenceError(fmt::format("{0}: expected the same {1} on every rank, got {2} on the ranks in turn. "
                                     "Set it from something that all ranks know, or broadcast it (MPI_Bcast).",
                                     arguments.optimizer, item.name, fmt::join(values, ", ")),
                         arguments.where);
}

}  // namespace

Option Option::positive(std::string_view name, double value) {
  return {name, value, std::isfinite(value) && value > 0.0, "a finite number above 0"};
}

Option Option::not_negative(std::string_view name, double value) {
  return {name, value, std::isfinite(value) && value >= 0.0, "a finite number, at least 0"};
}

Option Option::fraction(std::string_view name, double value) {
  return {name, value, std::isgreaterequal(value, 0.0) && value < 1.0, "a number from 0 to below 1"};
}

Option Option::count(std::string_view name, std::size_t value) {
  constexpr std::size_t most = std::numeric_limits<int>::max();
  return {name, static_cast<double>(value), value >= 1 && value <= most, "a whole number from 1 to 2147483647"};
}

Option Option::flag(std::string_view name, bool value) { return {name, value ? 1.0 : 0.0, true, ""}; }

Option Option::limit(std::string_view name, std::size_t value) {
  Option option = count(name, value);
  option.changes_path = false;
  return option;
}

Option Option::every(const Checkpoint& checkpoint) { return limit("checkpoint.every", checkpoint.every); }

Option Option::resume(const Checkpoint& checkpoint) {
  return {"checkpoint.resume", checkpoint.resume ? 1.0 : 0.0, !checkpoint.resume || !checkpoint.file.empty(),
          "false, since there is no checkpoint.file,", false};
}

Option Option::rate(const LearningRate& rate) {
  if (!rate.is_schedule()) return positive("learning_rate", rate.at(0));
  return not_negative("learning_rate(0)", rate.at(0));
}

void check_options(std::string_view optimizer, const std::vector<Option>& options, SourceLocation where) {
  for (const Option& option : options) {
    if (option.allowed) continue;
    throw ArgumentError(fmt::format("{0}: expected {1} for {2}, got {3}. Set {2} to {1}, or leave it at its default.",
                                    optimizer, option.expected, option.name, shown(option.value)),
                        where);
  }
}

Checked check_arguments(const Arguments& arguments, BoundsBy bounds_by, const Options& options) {
  const Communicator& comm = arguments.objective.communicator();
  Params params;
  Identity identity;
  std::vector<Item> items;
  std::vector<std::uint64_t> bits;
  comm.attempt([&] {
    const std::vector<Option> values = options();
    check_options(arguments.optimizer, values, arguments.where);
    params = check_params(arguments.optimizer, arguments.objective.num_params(), arguments.guess,
                          arguments.param_bounds, bounds_by, arguments.where);
    items = items_of(arguments, params, values);
    identity = identity_of(arguments, params, values);
    for (const Item& item : items) bits.push_back(item.bits);
  });
  require_same(bits, comm, Operation("the comparison of arguments", arguments.where),
               [&](std::size_t different) { return divergence_of(items[different], arguments); });
  return {std::move(params), std::move(identity)};
}

}  // namespace allgrad
