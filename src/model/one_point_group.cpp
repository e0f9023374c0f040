#include "allgrad/one_point_group.hpp"

#include "comm/call.hpp"
#include "model/group_sum.hpp"

namespace allgrad {

namespace {

std::vector<Term> terms_of(const std::vector<std::reference_wrapper<OnePointModel>>& models) {
  std::vector<Term> terms;
  for (OnePointModel& model : models) terms.push_back({.model = model});
  return terms;
}

}  // namespace

OnePointGroup::OnePointGroup(std::vector<Term> terms, Communicator main_comm, SourceLocation where)
    : comm_(std::move(main_comm)) {
  in_call("OnePointGroup", where, comm_, [&] {
    std::vector<GroupMember> members;
    for (const Term& term : terms) {
      members.push_back({term.model.comm_, term.model.number_, term.name, term.weight});
    }
    check_group_layout(members, comm_, where);
    GroupTerms shared = agree_on_terms(members, comm_, where);
    members_ = std::make_unique<Members>(Members{std::move(terms), std::move(members), std::move(shared)});
  });
}

OnePointGroup::OnePointGroup(std::vector<std::reference_wrapper<OnePointModel>> models, Communicator main_comm,
                             SourceLocation where)
    : OnePointGroup(main_comm.attempt([&] { return terms_of(models); }), main_comm, where) {}

OnePointGroup::OnePointGroup(OnePointModel& model, Communicator main_comm, SourceLocation where)
    : OnePointGroup(main_comm.attempt([&] { return std::vector{Term{.model = model}}; }), main_comm, where) {}

OnePointGroup::~OnePointGroup() = default;

const Communicator& OnePointGroup::communicator() const { return comm_; }

Objective& OnePointGroup::objective(std::size_t num_params, SourceLocation where) {
  return in_call("OnePointGroup::objective", where, comm_, [&]() -> Objective& {
    // Another number of parameters later is refused where it is used, on all ranks.
    if (!sum_) sum_ = std::make_unique<Sum>(*members_, num_params, comm_, where);
    return *sum_;
  });
}

ScanPoint OnePointGroup::evaluate_for_scan(std::span<const double> params, const std::optional<Key>& randkey,
                                           SourceLocation where) {
  ScanPoint point{.sumstats = Array::from_shape({0}), .loss = {}};
  point.loss.value = objective(params.size(), where)
                         .value(params, {.randkey = randkey, .aux = &point.loss.aux, .terms = &point.loss.terms});
  return point;
}

}  // namespace allgrad
