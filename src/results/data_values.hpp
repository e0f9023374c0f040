#pragma once

#include <optional>
#include <ranges>
#include <utility>

#include "results/data.hpp"
#include "results/fields.hpp"

// The values of results as Data, and back. What is read throws DataError where the data is of another kind.
namespace allgrad {

Data data_of(bool value);
Data data_of(std::uint64_t value);
Data data_of(double value);
Data data_of(const std::string& value);
Data data_of(EndReason reason);
Data data_of(const std::vector<double>& values);
Data data_of(const xt::xtensor<double, 1>& values);
Data data_of(const xt::xtensor<double, 2>& values);
Data data_of(const Array& values);
Data data_of(const InverseHessian& inverse);
Data data_of(const std::optional<Key>& key);

void read(const Data& data, bool& value);
void read(const Data& data, std::uint64_t& value);
void read(const Data& data, double& value);
void read(const Data& data, std::string& value);
void read(const Data& data, EndReason& reason);
void read(const Data& data, std::vector<double>& values);
void read(const Data& data, xt::xtensor<double, 1>& values);
void read(const Data& data, xt::xtensor<double, 2>& values);
void read(const Data& data, Array& values);
void read(const Data& data, InverseHessian& inverse);
void read(const Data& data, std::optional<Key>& key);

/// The elements of a list, which may have numbers as names, and the members of an object; throws where it is none.
std::vector<const Data*> list_in(const Data& data);
const Data::Object& object_in(const Data& data);

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
Data data_of(const std::vector<T>& values) requires(!std::same_as<T, double>);
template <class T>
Data data_of(const Named<T>& values);
template <class T>
Data data_of(const std::optional<T>& value);

template <HasFields T>
Data data_of(const T& value) {
  Data::Object object;
  visit([&](const char* name, const auto& field) { object.push_back({name, data_of(field)}); }, value);
  return {std::move(object)};
}

template <class T>
Data data_of(const std::vector<T>& values) requires(!std::same_as<T, double>) {
  Data::List list;
  for (const T& value : values) list.push_back(data_of(value));
  return {std::move(list)};
}

template <class T>
Data data_of(const Named<T>& values) {
  Data::Object object;
  for (const auto& [name, value] : values) object.push_back({name, data_of(value)});
  return {std::move(object)};
}

template <class T>
Data data_of(const std::optional<T>& value) {
  return value ? data_of(*value) : Data{};
}

template <class T>
void read(const Data& data, std::vector<T>& values);
template <class T>
void read(const Data& data, Named<T>& values);
template <class T>
void read(const Data& data, std::optional<T>& value);

template <HasFields T>
void read(const Data& data, T& value) {
  visit([&]<class Field>(const char* name, Field& field) { read(data.at(name, is_optional<Field>), field); }, value);
}

template <class T>
void read(const Data& data, std::vector<T>& values) {
  values.clear();
  for (const Data* element : list_in(data)) {
    T value{};
    read(*element, value);
    values.push_back(std::move(value));
  }
}

template <class T>
void read(const Data& data, Named<T>& values) {
  std::vector<typename Named<T>::Entry> entries;
  for (const auto& [name, element] : object_in(data)) read(element, entries.emplace_back(name, T{}).second);
  values = Named<T>(std::move(entries));
}

/// Into what `value` holds.
template <class T>
void read(const Data& data, std::optional<T>& value) {
  if (std::holds_alternative<Data::Nothing>(data.value)) {
    value.reset();
  } else {
    read(data, value.value());
  }
}

}  // namespace allgrad
