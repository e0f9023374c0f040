#include "optimizers/aux_record.hpp"

#include <algorithm>

namespace allgrad {

void AuxRecord::add(const AuxValues& values) {
  if (count_++ == 0) {
    for (const auto& [name, value] : values)
      columns_.push_back({name, {value.shape().begin(), value.shape().end()}, {}});
  }
  auto column = columns_.begin();
  for (const auto& [name, value] : values) {
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
