#pragma once

#include <vector>

#include "optimizers/aux_record.hpp"
#include "optimizers/point.hpp"

namespace allgrad {

/// What was computed at the points of a run, one after the other.
struct PathRecord {
  void add(const Point& point) {
    aux.add(point.aux);
    terms.add(point.terms);
    losses.push_back(point.loss);
  }

  void fields(Archive& archive) { archive(losses, aux, terms); }

  std::vector<double> losses;
  AuxRecord aux, terms;
};

}  // namespace allgrad
