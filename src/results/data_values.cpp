#include "results/data_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "allgrad/error.hpp"
#include "allgrad/exact.hpp"
#include "base/finite.hpp"

namespace allgrad {

namespace {

constexpr std::array reasons = {std::pair("running", EndReason::running),
                                std::pair("steps_taken", EndReason::steps_taken),
                                std::pair("converged", EndReason::converged),
                                std::pair("limit_reached", EndReason::limit_reached),
                                std::pair("not_finite", EndReason::not_finite),
                                std::pair("no_progress", EndReason::no_progress),
                                std::pair("stopped", EndReason::stopped),
                                std::pair("interrupted", EndReason::interrupted),
                                std::pair("callback_threw", EndReason::callback_threw),
                                std::pair("failed", EndReason::failed)};

template <class T>
const T& get(const Data& data, std::string_view expected) {
  if (const T* value = std::get_if<T>(&data.value)) return *value;
  throw DataError(fmt::format("expected {}, got another kind of value", expected));
}

Data data_numbers(const auto& array) {
  return {Data::Numbers{.shape = {array.shape().begin(), array.shape().end()},
                        .values = {array.storage().begin(), array.storage().end()}}};
}

/// Lists of lists of numbers, as text formats have them, added one after the other.
void append_data(const Data& data, std::size_t depth, Data::Numbers& to) {
  const auto* list = std::get_if<Data::List>(&data.value);
  if (list == nullptr) {
    if (depth != to.shape.size()) throw DataError("expected rows that are equally long");
    read(data, to.values.emplace_back());
    return;
  }
  if (depth == to.shape.size()) to.shape.push_back(list->size());
  if (to.shape[depth] != list->size() || (depth + 1 < to.shape.size() && list->empty())) {
    throw DataError("expected rows that are equally long");
  }
  for (const Data& element : *list) append_data(element, depth + 1, to);
}

Data::Numbers numbers_in(const Data& data) {
  Data::Numbers numbers;
  if (const auto* found = std::get_if<Data::Numbers>(&data.value)) {
    numbers = *found;
  } else if (std::holds_alternative<Data::Object>(data.value)) {  // where lists would not tell the shape
    std::vector<std::uint64_t> shape;
    read(data.at("shape"), shape);
    numbers.shape.assign(shape.begin(), shape.end());
    read(data.at("values"), numbers.values);
  } else {
    append_data(data, 0, numbers);
  }
  std::size_t left = numbers.values.size();  // divided by each length, since their product may be beyond all numbers
  for (const std::size_t length : numbers.shape) left = length != 0 && left % length == 0 ? left / length : 0;
  const bool is_empty = std::ranges::find(numbers.shape, std::size_t{0}) != numbers.shape.end();
  if (is_empty ? !numbers.values.empty() : left != 1) throw DataError("expected as many numbers as the shape says");
  if (!detail::is_array_size(numbers.shape)) throw DataError("expected a shape of an array that fits into memory");
  return numbers;
}

Data::Numbers numbers_in(const Data& data, std::size_t dimension) {
  Data::Numbers numbers = numbers_in(data);
  if (numbers.values.empty() && numbers.shape.size() < dimension) numbers.shape.resize(dimension);
  if (numbers.shape.size() == dimension) return numbers;
  throw DataError(fmt::format("expected an array of {} axes, got one of {}", dimension, numbers.shape.size()));
}

Data data_rows(const std::vector<InverseHessian::Pair>& pairs, std::size_t ndim,
               std::vector<double> InverseHessian::Pair::*row) {
  Data::Numbers rows{.shape = {pairs.size(), ndim}, .values = {}};
  for (const auto& pair : pairs) rows.values.insert(rows.values.end(), (pair.*row).begin(), (pair.*row).end());
  return {std::move(rows)};
}

}  // namespace

const Data& Data::at(std::string_view name, bool optional) const {
  const Object& members = object_in(*this);
  const auto found = std::ranges::find(members, name, &Member::name);
  if (found != members.end()) return found->data;
  static const Data nothing;
  if (optional) return nothing;
  throw DataError(fmt::format("expected a value \"{}\", got none", name));
}

std::vector<const Data*> list_in(const Data& data) {
  std::vector<const Data*> elements;
  if (const auto* object = std::get_if<Data::Object>(&data.value)) {
    for (const Data::Member& member : *object) elements.push_back(&member.data);
  } else {
    for (const Data& element : get<Data::List>(data, "a list")) elements.push_back(&element);
  }
  return elements;
}
const Data::Object& object_in(const Data& data) { return get<Data::Object>(data, "named values"); }

Data data_of(bool value) { return {value}; }
Data data_of(std::uint64_t value) { return {value}; }
Data data_of(double value) { return {value}; }
Data data_of(const std::string& value) { return {value}; }
Data data_of(EndReason reason) {
  return {std::string(std::ranges::find(reasons, reason, [](const auto& entry) { return entry.second; })->first)};
}
Data data_of(const std::vector<double>& values) { return {Data::Numbers{.shape = {values.size()}, .values = values}}; }
Data data_of(const xt::xtensor<double, 1>& values) { return data_numbers(values); }
Data data_of(const xt::xtensor<double, 2>& values) { return data_numbers(values); }
Data data_of(const Array& values) { return data_numbers(values); }
Data data_of(const InverseHessian& inverse) {
  return {Data::Object{{"scale", data_of(inverse.scale())},
                       {"steps", data_rows(inverse.pairs(), inverse.ndim(), &InverseHessian::Pair::step)},
                       {"changes", data_rows(inverse.pairs(), inverse.ndim(), &InverseHessian::Pair::change)}}};
}
Data data_of(const std::optional<Key>& key) {
  if (!key) return {};
  return {Data::List{data_of(std::uint64_t{key->words()[0]}), data_of(std::uint64_t{key->words()[1]})}};
}

void read(const Data& data, bool& value) { value = get<bool>(data, "true or false"); }
void read(const Data& data, std::uint64_t& value) { value = get<std::uint64_t>(data, "a whole number"); }
void read(const Data& data, std::string& value) { value = get<std::string>(data, "a text"); }

void read(const Data& data, double& value) {
  if (const auto* number = std::get_if<double>(&data.value)) {
    value = *number;
  } else if (const auto* whole = std::get_if<std::uint64_t>(&data.value)) {
    value = static_cast<double>(*whole);
  } else {
    const auto& text = get<std::string>(data, "a number");
    if (text != "nan" && text != "inf" && text != "-inf") throw DataError(fmt::format("\"{}\" is no number", text));
    value = text == "nan" ? std::numeric_limits<double>::quiet_NaN() : text == "inf" ? infinity : -infinity;
  }
}

void read(const Data& data, EndReason& reason) {
  const auto& text = get<std::string>(data, "a text");
  const auto* found = std::ranges::find(reasons, text, [](const auto& entry) { return std::string_view(entry.first); });
  if (found == reasons.end()) throw DataError(fmt::format("\"{}\" is no end_reason", text));
  reason = found->second;
}

void read(const Data& data, std::vector<double>& values) { values = numbers_in(data, 1).values; }

void read(const Data& data, xt::xtensor<double, 1>& values) {
  const Data::Numbers numbers = numbers_in(data, 1);
  values.resize({numbers.shape[0]});
  std::ranges::copy(numbers.values, values.begin());
}

void read(const Data& data, xt::xtensor<double, 2>& values) {
  const Data::Numbers numbers = numbers_in(data, 2);
  values.resize({numbers.shape[0], numbers.shape[1]});
  std::ranges::copy(numbers.values, values.begin());
}

void read(const Data& data, Array& values) {
  const Data::Numbers numbers = numbers_in(data);
  values = Array::from_shape(numbers.shape);
  std::ranges::copy(numbers.values, values.storage().begin());
}

void read(const Data& data, InverseHessian& inverse) {
  std::vector<double> scale;
  read(data.at("scale"), scale);
  const std::size_t ndim = scale.size();
  const Data::Numbers steps = numbers_in(data.at("steps"), 2), changes = numbers_in(data.at("changes"), 2);
  if (steps.shape[1] != ndim || changes.shape != steps.shape) {
    throw DataError(fmt::format("expected steps and changes of {} numbers", ndim));
  }
  std::vector<InverseHessian::Pair> pairs(steps.shape[0]);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto row = [&](const Data::Numbers& rows) {
      const auto begin = rows.values.begin() + static_cast<std::ptrdiff_t>(i * ndim);
      return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(ndim));
    };
    pairs[i] = {row(steps), row(changes)};
  }
  inverse = InverseHessian(std::move(scale), std::move(pairs));
}

void read(const Data& data, std::optional<Key>& key) {
  if (std::holds_alternative<Data::Nothing>(data.value)) {
    key.reset();
    return;
  }
  std::vector<std::uint64_t> words;
  read(data, words);
  const auto is_word = [](std::uint64_t word) { return word >> 32 == 0; };
  if (words.size() != 2 || !std::ranges::all_of(words, is_word)) {
    throw DataError("expected the two words of a random key, each below 2^32");
  }
  key = Key(std::array{static_cast<std::uint32_t>(words[0]), static_cast<std::uint32_t>(words[1])});
}

}  // namespace allgrad
