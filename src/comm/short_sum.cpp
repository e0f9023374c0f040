#include "comm/short_sum.hpp"

#include <algorithm>
#include <bit>

#include "comm/mpi_check.hpp"

namespace allgrad {

namespace {

constexpr int sum_tag = 0;

}  // namespace

ShortSum::ShortSum(int rank, int size) : rank_(rank), steps_(plan(rank, size)) {}

std::vector<ShortSum::Step> ShortSum::plan(int rank, int size) {
  const auto core = static_cast<int>(std::bit_floor(static_cast<unsigned>(size)));
  if (rank >= core) return {{.partner = rank - core, .sends = true, .receives = true, .adds = false}};
  const bool has_guest = rank + core < size;
  std::vector<Step> steps;
  if (has_guest) steps.push_back({.partner = rank + core, .sends = false, .receives = true, .adds = true});
  for (int bit = 1; bit < core; bit *= 2) {
    steps.push_back({.partner = rank ^ bit, .sends = true, .receives = true, .adds = true});
  }
  if (has_guest) steps.push_back({.partner = rank + core, .sends = true, .receives = false, .adds = false});
  return steps;
}

void ShortSum::start(std::size_t count) {
  count_ = count;
  next_step_ = 0;
  has_begun_ = false;
}

bool ShortSum::is_done() {
  while (next_step_ < steps_.size()) {
    const Step& step = steps_[next_step_];
    if (!has_begun_) begin(step);
    if (!is_complete()) return false;
    end(step);
  }
  return true;
}

void ShortSum::begin(const Step& step) {
  has_begun_ = true;
  if (step.sends) {
    check_mpi(
        MPI_Isend(sums_[current_].data(), static_cast<int>(count_), MPI_DOUBLE, step.partner, sum_tag, comm_, &send_),
        "MPI_Isend");
  }
  if (step.receives) {
    check_mpi(MPI_Irecv(theirs_.data(), static_cast<int>(theirs_.size()), MPI_DOUBLE, step.partner, sum_tag, comm_,
                        &receive_),
              "MPI_Irecv");
  }
}

bool ShortSum::is_complete() {
  int done = 0;
  if (receive_ != MPI_REQUEST_NULL) {
    MPI_Status status;
    check_mpi(MPI_Test(&receive_, &done, &status), "MPI_Test");
    if (done == 0) return false;
    int count = 0;
    check_mpi(MPI_Get_count(&status, MPI_DOUBLE, &count), "MPI_Get_count");
    their_count_ = static_cast<std::size_t>(count);
  }
  if (send_ == MPI_REQUEST_NULL) return true;
  check_mpi(MPI_Test(&send_, &done, MPI_STATUS_IGNORE), "MPI_Test");
  return done != 0;
}

void ShortSum::end(const Step& step) {
  has_begun_ = false;
  ++next_step_;
  if (!step.receives) return;
  auto& own = sums_[current_];
  auto& sum = sums_[1 - current_];
  if (step.adds) {
    const std::size_t count = std::max(count_, their_count_);
    std::fill(own.begin() + static_cast<std::ptrdiff_t>(count_), own.begin() + static_cast<std::ptrdiff_t>(count), 0.0);
    std::fill(theirs_.begin() + static_cast<std::ptrdiff_t>(their_count_),
              theirs_.begin() + static_cast<std::ptrdiff_t>(count), 0.0);
    // In the order of the ranks, since of two NaN a sum is the first.
    const auto& low = rank_ < step.partner ? own : theirs_;
    const auto& high = rank_ < step.partner ? theirs_ : own;
    for (std::size_t i = 0; i < count; ++i) sum[i] = low[i] + high[i];
    count_ = count;
  } else {
    std::copy_n(theirs_.begin(), their_count_, sum.begin());
    count_ = their_count_;
  }
  current_ = 1 - current_;
}

}  // namespace allgrad
