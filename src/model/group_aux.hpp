#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/group_terms.hpp"

namespace allgrad {

/// Where the aux values of a group's models lie in its messages.
class GroupAux {
 public:
  GroupAux() = default;

  /// `layouts`: of each term.
  GroupAux(const Named<double>& weights, std::vector<AuxLayout> layouts);

  /// How many numbers they are.
  std::size_t size() const { return size_; }

  /// Whether a term has these aux values. Allocates nothing.
  bool is(std::size_t term, const Aux& aux) const;

  /// Adds those of a term.
  void add(std::size_t term, const AuxValues& values, std::span<double> numbers) const;

  /// Room for all of them, by names as "sdss.chi2".
  std::vector<AuxValues::Entry> room() const;

 private:
  std::vector<std::string> names_;
  std::vector<AuxLayout> layouts_;
  std::vector<std::size_t> first_;  // number of each term
  std::size_t size_ = 0;
};

/// Those of a loss.
AuxLayout layout_of(const Aux& aux);

}  // namespace allgrad
