#include "model/group_aux.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "allgrad/shape.hpp"

namespace allgrad {

namespace {

std::size_t count(const AuxShape& aux) {
  return std::accumulate(aux.shape.begin(), aux.shape.end(), std::size_t{1}, std::multiplies<>());
}

bool has_shape(const AuxShape& expected, const Aux::Entry& found) {
  return expected.name == found.first && std::ranges::equal(expected.shape, found.second.shape(), {}, {},
                                                            [](const Extent& axis) { return axis.length; });
}

}  // namespace

GroupAux::GroupAux(const Named<double>& weights, std::vector<AuxLayout> layouts)
    : names_(weights.names()), layouts_(std::move(layouts)) {
  for (const AuxLayout& layout : layouts_) {
    first_.push_back(size_);
    for (const AuxShape& aux : layout) size_ += count(aux);
  }
}

bool GroupAux::is(std::size_t term, const Aux& aux) const {
  return std::ranges::equal(layouts_[term], aux, [](const AuxShape& expected, const Aux::Entry& found) {
    return has_shape(expected, found);
  });
}

void GroupAux::add(std::size_t term, const AuxValues& values, std::span<double> numbers) const {
  auto to = numbers.begin() + static_cast<std::ptrdiff_t>(first_[term]);
  for (const auto& [name, value] : values) {
    to = std::transform(value.storage().begin(), value.storage().end(), to, to, std::plus<>());
  }
}

std::vector<AuxValues::Entry> GroupAux::room() const {
  std::vector<AuxValues::Entry> entries;
  for (std::size_t term = 0; term < layouts_.size(); ++term) {
    for (const AuxShape& aux : layouts_[term]) {
      entries.emplace_back(fmt::format("{}.{}", names_[term], aux.name), Array::from_shape(aux.shape));
    }
  }
  return entries;
}

AuxLayout layout_of(const Aux& aux) {
  AuxLayout layout;
  for (const auto& [name, expr] : aux) {
    AuxShape& shape = layout.emplace_back(AuxShape{name, {}});
    for (const Extent& axis : expr.shape()) shape.shape.push_back(axis.length);
  }
  return layout;
}

}  // namespace allgrad
