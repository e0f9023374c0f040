#include "optimizers/aux_record.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace allgrad {

void fields(Archive& archive, AuxValues& values) {
  std::vector<std::string> names = values.names();
  std::vector<std::vector<std::size_t>> shapes;
  std::vector<std::vector<double>> numbers;
  for (const auto& [name, value] : values) {
    shapes.emplace_back(value.shape().begin(), value.shape().end());
    numbers.emplace_back(value.storage().begin(), value.storage().end());
  }
  archive(names, shapes, numbers);
  std::vector<AuxValues::Entry> entries;
  for (std::size_t i = 0; i < names.size(); ++i) {
    Array& value = entries.emplace_back(names[i], Array::from_shape(shapes.at(i))).second;
    std::ranges::copy(numbers.at(i), value.storage().begin());
  }
  values = AuxValues(std::move(entries));
}

void AuxRecord::refuse(const AuxValues& values) const {
  std::vector<std::string> names;
  for (const Column& column : columns_) names.push_back(column.name);
  throw ArgumentError(
      fmt::format("expected an objective to write the same aux values at every evaluation, [{}] as at "
                  "first, each in one shape, got [{}]",
                  fmt::join(names, ", "), fmt::join(values.names(), ", ")));
}

void AuxRecord::add(const AuxValues& values) {
  if (count_++ == 0) {
    for (const auto& [name, value] : values)
      columns_.push_back({name, {value.shape().begin(), value.shape().end()}, {}});
  }
  if (values.size() != columns_.size()) refuse(values);
  auto column = columns_.begin();
  for (const auto& [name, value] : values) {
    if (name != column->name || !std::ranges::equal(value.shape(), column->shape)) refuse(values);
    column->numbers.insert(column->numbers.end(), value.storage().begin(), value.storage().end());
    ++column;
  }
}

AuxValues AuxRecord::stacked() const {
  std::vector<AuxValues::Entry> entries;
  for (const Column& column : columns_) {
    std::vector<std::size_t> shape{count_};
    shape.insert(shape.end(), column.shape.begin(), column.shape.end());
    Array all = Array::from_shape(shape);
    std::ranges::copy(column.numbers, all.storage().begin());
    entries.emplace_back(column.name, std::move(all));
  }
  return AuxValues(std::move(entries));
}

}  // namespace allgrad
