// What all ranks know of the models of a group, most of which are on other ranks.
#include "model/group_terms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "allgrad/error.hpp"
#include "base/archive.hpp"

namespace allgrad {

void fields(Archive& archive, AuxShape& aux) { archive(aux.name, aux.shape); }

namespace {

/// A term as the first rank of its model tells it.
struct Told {
  std::uint64_t model = 0;
  std::string name;
  double weight = 1.0;

  void fields(Archive& archive) { archive(model, name, weight); }
};

struct ToldAux {
  std::uint64_t term = 0;
  AuxLayout aux;

  void fields(Archive& archive) { archive(term, aux); }
};

/// What ranks have, in the order of ranks, on every rank. Collective: a message for each rank that has something.
template <class T>
std::vector<T> gather_terms(std::vector<T> own, const Communicator& comm, const Operation& operation) {
  const std::vector<std::uint64_t> counts = comm.allgather(own.size(), operation);
  std::vector<T> all;
  for (std::size_t rank = 0; rank < counts.size(); ++rank) {
    if (counts[rank] == 0) continue;
    const auto root = static_cast<int>(rank);
    Archive told;
    if (comm.rank() == root) comm.attempt([&] { told(own); });
    const std::string bytes = comm.broadcast(told.written(), root, operation);
    comm.attempt([&] {
      std::vector<T> of_rank;
      Archive archive(bytes);
      archive(of_rank);
      std::ranges::move(of_rank, std::back_inserter(all));
    });
  }
  return all;
}

[[noreturn]] void refuse_terms(const std::string& text, SourceLocation where) {
  throw ArgumentError("OnePointGroup: expected " + text, where);
}

Named<double> checked_weights(const std::vector<Told>& terms, SourceLocation where) {
  std::vector<Named<double>::Entry> weights;
  for (const Told& term : terms) {
    const std::string name = term.name.empty() ? fmt::format("models[{}]", weights.size()) : term.name;
    if (!std::isfinite(term.weight) || term.weight < 0.0) {
      refuse_terms(fmt::format("weights that are finite numbers, at least 0, got {} for {}", term.weight, name), where);
    }
    if (std::ranges::find(weights, name, &Named<double>::Entry::first) != weights.end()) {
      refuse_terms(fmt::format("a name of its own for each model, got \"{}\" twice; rename one of them", name), where);
    }
    weights.emplace_back(name, term.weight);
  }
  return Named<double>(std::move(weights), where);
}

}  // namespace

GroupTerms agree_on_terms(const std::vector<GroupMember>& models, const Communicator& main, SourceLocation where) {
  const Operation operation("the comparison of names and weights of models", where);
  return main.guarded(
      [&] {
        std::vector<Told> own;
        for (const GroupMember& model : models) {
          if (model.comm.is_root()) own.push_back({model.id(), model.name, model.weight});
        }
        const std::vector<Told> all = gather_terms(std::move(own), main, operation);
        GroupTerms terms{.weights = checked_weights(all, where)};
        for (const GroupMember& model : models) {
          const auto told = std::ranges::find(all, model.id(), &Told::model);
          if (told->name != model.name || told->weight != model.weight) {
            refuse_terms(
                fmt::format("one name and weight of a model on all of its ranks, got \"{}\" and {} on its first, "
                            "\"{}\" and {} on rank {}; give it the same everywhere",
                            told->name, told->weight, model.name, model.weight, main.rank()),
                where);
          }
          terms.own.push_back(static_cast<std::size_t>(told - all.begin()));
        }
        return terms;
      },
      operation);
}

std::vector<AuxLayout> agree_on_aux(const GroupTerms& terms, const std::vector<GroupMember>& models,
                                    const std::vector<AuxLayout>& own, const Communicator& main, SourceLocation where) {
  std::vector<ToldAux> told;
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (models[i].comm.is_root()) told.push_back({terms.own[i], own[i]});
  }
  std::vector<AuxLayout> all(terms.weights.size());
  for (ToldAux& term : gather_terms(std::move(told), main, Operation("the comparison of aux values", where))) {
    all.at(term.term) = std::move(term.aux);
  }
  return all;
}

}  // namespace allgrad
