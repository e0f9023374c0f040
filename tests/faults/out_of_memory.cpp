// One of two ranks runs out of memory, at each allocation of each part of the library in turn, once or for good: the
// other is told, nobody waits for ever, no number is wrong, and both can go on. By default some allocations of each
// part are tried, with ALLGRAD_EVERY_ALLOCATION=1 in the environment all of them, with 7 each seventh, with `callers`
// the first one by each chain of callers, on either rank, once or for good, with ALLGRAD_PART=scan those of one part.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "../allocations.hpp"
#include "../catch.hpp"
#include "../said.hpp"
#include "../world.hpp"
#include "allgrad/allgrad.hpp"
#include "memory_parts.hpp"

namespace test_out_of_memory {

namespace ag = allgrad;
using namespace allgrad::testing;
using namespace memory;

namespace {

/// How an action ended on this rank.
struct End {
  bool threw = false;
  std::string text;
  Numbers numbers;
};

End end_of(const Action& action, std::size_t refused, bool lasting) {
  End end;
  try {
    const OutOfMemory fault(refused, lasting);
    end.numbers = action();
  } catch (const std::exception& error) {
    end.threw = true;
    end.text = error.what();
  }
  return end;
}

bool says_so(const End& end) {
  return end.text.find("bad_alloc") != std::string::npos || end.text.find("out of memory") != std::string::npos;
}

/// Whether something holds on both ranks, by other messages than allgrad's.
bool on_both(bool here) {
  int holds = here ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &holds, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  return holds != 0;
}

/// One part of the library, with faults on one rank.
class Sweep {
 public:
  Sweep(const Part& part, int faulty, bool lasting)
      : part_(part), is_faulty_(world().rank() == faulty), lasting_(lasting) {
    const Action action = prepare();
    const std::size_t before = allocations();
    {
      const NewCallers callers;
      expected_ = end_of(action, 0, false);
      count_ = allocations() - before;
      new_callers_ = callers.calls();
    }
    MPI_Bcast(&count_, 1, MPI_UINT64_T, faulty, MPI_COMM_WORLD);
    std::uint64_t length = new_callers_.size();
    MPI_Bcast(&length, 1, MPI_UINT64_T, faulty, MPI_COMM_WORLD);
    new_callers_.resize(length);
    MPI_Bcast(new_callers_.data(), static_cast<int>(length), MPI_UINT64_T, faulty, MPI_COMM_WORLD);
    CHECK(expected_.threw == part.throws);
  }

  std::size_t count() const { return count_; }

  /// The first allocation by each chain of callers.
  const std::vector<std::uint64_t>& by_new_callers() const { return new_callers_; }

  /// At allocation `n` of the faulty rank.
  void run(std::size_t n) {
    const Action action = prepare();
    const End end = end_of(action, is_faulty_ ? n : 0, lasting_);
    const End next = end.threw ? End{} : end_of([&] { return sum(); }, 0, false);
    bool good = is_right(end) && is_told(next, end);
    const End again = good ? end_of(action, 0, false) : End{};
    good = good && again.threw == expected_.threw && again.numbers == expected_.numbers;
    if (!good) {
      FAIL_CHECK(fmt::format("{} of {} {}: {}{}; then: {}; and again: {}", n, count_, is_faulty_ ? "here" : "there",
                             end.text, end.threw || end.numbers == expected_.numbers ? "" : "wrong numbers", next.text,
                             again.text));
    }
    ++tried_;
    if (!on_both(good)) comm_.reset();  // what came after would be of no use
  }

  std::size_t tried() const { return tried_; }

 private:
  Action prepare() {
    if (!comm_) comm_.emplace(MPI_COMM_WORLD);
    const Action action = part_.prepare(*comm_);
    std::filesystem::remove(file_of("checkpoint"));
    on_both(true);
    return action;
  }

  bool is_right(const End& end) const {
    if (part_.throws) return end.threw;
    return end.threw ? says_so(end) : end.numbers == expected_.numbers;
  }

  Numbers sum() const { return {static_cast<double>(ag::reduce_sum(1, *comm_))}; }

  /// A rank that fails takes part in what the other does next as failed.
  bool is_told(const End& next, const End& before) const {
    if (before.threw) return true;
    return next.threw ? !is_faulty_ && says_so(next) : next.numbers == Numbers{2.0};
  }

  const Part& part_;
  const bool is_faulty_, lasting_;
  std::optional<ag::Communicator> comm_;
  End expected_;
  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> new_callers_;
  std::size_t tried_ = 0;
};

}  // namespace

TEST_CASE("the other rank learns that one has run out of memory") {
  setenv("ALLGRAD_TIMEOUT", "20", 0);  // instead of a hang
  const char* wanted = std::getenv("ALLGRAD_EVERY_ALLOCATION");
  const std::string every = wanted == nullptr ? "" : wanted;
  const char* only = std::getenv("ALLGRAD_PART");
  constexpr std::size_t some = 12;
  std::size_t tried = 0, total = 0;
  for (const Part& part : parts()) {
    if (only != nullptr && part.name != only) continue;
    for (const int faulty : {0, 1}) {
      for (const bool lasting : {false, true}) {
        INFO(fmt::format("{}, rank {} {}", part.name, faulty, lasting ? "from then on" : "once"));
        const Said said;
        Sweep sweep(part, faulty, lasting);
        if (every == "callers") {
          const std::vector<std::uint64_t>& calls = sweep.by_new_callers();
          const std::size_t way = (faulty == 0 ? 0U : 2U) + (lasting ? 1U : 0U);
          for (std::size_t i = way; i < calls.size(); i += 4) sweep.run(calls[i]);
        } else {
          const std::size_t stride = every.empty() ? std::max<std::size_t>(sweep.count() / some, 1) : std::stoul(every);
          const std::size_t first = (faulty == 0 ? 0 : stride / 2) + (lasting ? stride / 4 : 0);
          for (std::size_t n = 1 + first; n <= sweep.count(); n += stride) sweep.run(n);
        }
        tried += sweep.tried();
        total += sweep.count();
      }
    }
  }
  for (const char* name : {"checkpoint", "results"}) std::filesystem::remove(file_of(name));
  std::filesystem::remove(file_of("results") + ".h5");
  if (world().is_root()) std::filesystem::remove_all(file_of("stages"));
  if (!every.empty() && world().is_root()) fmt::print("{} of {} allocations were refused\n", tried, total);
}

}  // namespace test_out_of_memory
