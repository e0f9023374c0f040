#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "allgrad/error.hpp"
#include "allgrad/expr.hpp"
#include "allgrad/name.hpp"

namespace allgrad {

/// Values with names, in the order in which they were given.
template <class T>
class Named {
 public:
  using Entry = std::pair<std::string, T>;

  Named() = default;

  /// Throws ArgumentError where two values have one name.
  Named(std::initializer_list<Entry> entries, SourceLocation where = SourceLocation::current())
      : Named(std::vector<Entry>(entries), where) {}
  explicit Named(std::vector<Entry> entries, SourceLocation where = SourceLocation::current())
      : entries_(std::move(entries)) {
    for (const Entry& entry : entries_) {
      if (std::ranges::count(entries_, entry.first, &Entry::first) == 1) continue;
      throw ArgumentError(fmt::format("two values are named \"{}\"; give each its own name", entry.first), where);
    }
  }

  /// Throws ArgumentError, with the names there are, where none is called so.
  const T& operator[](const Name& name) const {
    const auto found = std::ranges::find(entries_, name.text, &Entry::first);
    if (found != entries_.end()) return found->second;
    throw ArgumentError(fmt::format("there is no value \"{}\", but [{}]; ask for one of these, or return it as well",
                                    name.text, fmt::join(names(), ", ")),
                        name.where);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const Entry& entry : entries_) result.push_back(entry.first);
    return result;
  }

  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::vector<Entry> entries_;
};

/// What statistics or loss return beside their value: expressions with names, as in {{"chi2", chi2}, {"prior", prior}}.
using Aux = Named<Expr>;

/// Numbers with names: what aux expressions of a loss are at some parameters. Of a number [], loss.aux["chi2"]() is it.
using AuxValues = Named<Array>;

}  // namespace allgrad
