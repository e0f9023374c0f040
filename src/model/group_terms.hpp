#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "allgrad/aux_values.hpp"
#include "allgrad/communicator.hpp"
#include "model/group_layout.hpp"

namespace allgrad {

/// The terms of a group's loss, as all ranks know them.
struct GroupTerms {
  Named<double> weights = {};         ///< by their names, in their order
  std::vector<std::size_t> own = {};  ///< the number of each of this rank's models among them
};

/// Collective over `main`. Throws ArgumentError on every rank where names or weights cannot be used, or are not the
/// same on all ranks of a model.
GroupTerms agree_on_terms(const std::vector<GroupMember>& models, const Communicator& main, SourceLocation where);

/// An aux value of a model.
struct AuxShape {
  std::string name;
  std::vector<std::size_t> shape;

  bool operator==(const AuxShape&) const = default;
};
using AuxLayout = std::vector<AuxShape>;

/// The aux values of each term, from those of this rank's models: their first ranks tell them. Collective over `main`.
std::vector<AuxLayout> agree_on_aux(const GroupTerms& terms, const std::vector<GroupMember>& models,
                                    const std::vector<AuxLayout>& own, const Communicator& main, SourceLocation where);

}  // namespace allgrad
