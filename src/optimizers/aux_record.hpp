#pragma once

#include <vector>

#include "allgrad/aux_values.hpp"
#include "base/archive.hpp"

namespace allgrad {

/// Aux values among the fields of a state.
void fields(Archive& archive, AuxValues& values);

/// Collects the aux values of many evaluations, one after the other.
class AuxRecord {
 public:
  /// Throws ArgumentError where the names or shapes are others than at first.
  void add(const AuxValues& values);

  /// Each of the values [number of evaluations, ...].
  AuxValues stacked() const;

  void fields(Archive& archive) { archive(columns_, count_); }

 private:
  struct Column {
    std::string name;
    std::vector<std::size_t> shape;  // of one value
    std::vector<double> numbers;

    void fields(Archive& archive) { archive(name, shape, numbers); }
  };
  [[noreturn]] void refuse(const AuxValues& values) const;

  std::vector<Column> columns_;
  std::size_t count_ = 0;
};

}  // namespace allgrad
