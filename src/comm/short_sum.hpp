#pragma once

#include <mpi.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "comm/pending.hpp"

namespace allgrad {

/// A sum of few numbers over the ranks of a communicator, by recursive doubling (Thakur, Rabenseifner, Gropp 2005): in
/// each step two ranks send each other what they have, so that after log2(size) steps all have everything. Ranks beyond
/// the largest power of two take part through a lower one. All ranks get the same bits, since in each step both add the
/// same two numbers in the same order.
///
/// Ranks may have other numbers of numbers, as where they are at different things: what a rank lacks counts as 0. So
/// only what there is travels; by MPI_Iallreduce on 2 ranks of one node, 64 numbers took 1.7 us, of which 20 are sent
/// from point to point in 0.65 us.
class ShortSum final : public Pending, public std::enable_shared_from_this<ShortSum> {
 public:
  static constexpr std::size_t most = 256;  // 2 kB, which MPI sends without asking the receiver first

  ShortSum(int rank, int size);

  /// Where it sends and receives; nothing else does so there.
  void use(MPI_Comm comm) { comm_ = comm; }

  /// This rank's numbers before it starts, and the sums once it is done.
  std::span<double, most> values() { return sums_[current_]; }

  /// Begins with the first `count` values.
  void start(std::size_t count);

  bool is_done() override;
  std::shared_ptr<void> written() override { return shared_from_this(); }

 private:
  struct Step {
    int partner;
    bool sends, receives;
    bool adds;  // what it receives to what it has; else that is the whole sum
  };
  static std::vector<Step> plan(int rank, int size);

  void begin(const Step& step);
  bool is_complete();
  void end(const Step& step);

  const int rank_;
  const std::vector<Step> steps_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  // A step reads one of the sums and writes the other.
  std::array<std::array<double, most>, 2> sums_{};
  std::array<double, most> theirs_{};
  std::size_t current_ = 0, count_ = 0, their_count_ = 0;
  std::size_t next_step_ = 0;
  bool has_begun_ = false;  // the next step
  MPI_Request send_ = MPI_REQUEST_NULL, receive_ = MPI_REQUEST_NULL;
};

}  // namespace allgrad
