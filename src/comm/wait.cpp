#include "comm/wait.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include "allgrad/error.hpp"
#include "base/emit.hpp"
#include "base/interrupt.hpp"
#include "comm/call.hpp"
#include "comm/divergence_record.hpp"
#include "comm/turn.hpp"

namespace allgrad {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// Before the clock is looked at. Where processes share a core, MPI may yield it in each test, for all of their slices.
constexpr int quick_tests = 20;
constexpr auto time_until_yield = 20us;  // to ranks on the same core, which MPI may not do
constexpr auto between_looks = 5ms;      // at notes, signals and limits
constexpr auto time_to_arrive = 700ms;   // for a message that was sent before a note
constexpr auto time_to_answer = 300ms;
constexpr auto time_until_signals = 1s;
constexpr auto time_until_told = 1s;  // to the neighbours
constexpr auto time_to_stop = 5s;     // between a signal and the end of the wait: others may come with it

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

constexpr const char* timeout_variable = "ALLGRAD_TIMEOUT";

/// One wait that is not over at once.
class Wait {
 public:
  Wait(Pending& pending, const Awaited& awaited) : pending_(pending), awaited_(awaited), notes_(Notes::get()) {
    if (notes_ != nullptr) notes_->start_to_wait(awaited_.id);
  }
  ~Wait() {
    if (notes_ != nullptr) notes_->end_wait(awaited_.id);
  }
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

  void run() {
    for (auto next_look = start_ + between_looks; !pending_.is_done();) {
      const auto now = Clock::now();
      if (now >= next_look) {
        look(now);
        next_look = now + between_looks;
      }
      if (now - start_ > 1s) {
        std::this_thread::sleep_for(50us);
      } else if (now - start_ > time_until_yield) {
        std::this_thread::yield();
      }
    }
  }

 private:
  /// Goes on for a moment; true where it is done by then.
  bool is_done_within(Clock::duration time) {
    for (const auto end = Clock::now() + time; Clock::now() < end;) {
      if (pending_.is_done()) return true;
      if (notes_ != nullptr) notes_->look();
    }
    return pending_.is_done();
  }

  void look(Clock::time_point now) {
    if (notes_ != nullptr) look_at_notes();
    if (now - start_ > time_until_signals) look_at_signals(now);
    if (now - start_ > time_until_told && notes_ != nullptr && !mpi_serves_threads()) look_for_parting(now);
    if (!warned_ && now - start_ > time_until_warning) {
      warned_ = true;
      try {
        warn();
      } catch (const std::bad_alloc&) {  // which is no reason to give up
      }
    }
    const auto limit = time_limit();
    if (limit && seconds(now - start_) > *limit) end_at_limit(*limit);
  }

  void look_at_notes() {
    notes_->look();
    if (const Notes::Reason* why = notes_->given_up(awaited_.id)) {
      if (!is_done_within(time_to_arrive)) throw *why;
      return;
    }
    if (const auto parted = notes_->parted(awaited_.id)) {
      give_up({place_of(parted->first), {}, parted->second->is_divergence}, [&] { return parted->second->text; });
    }
    if (!notes_->any_left()) return;
    for (std::size_t i = 0; i < awaited_.ranks.size(); ++i) {
      const std::string* how = notes_->left(awaited_.ranks[i]);
      if (!how) continue;
      // It may have taken part in this before it left.
      if (is_done_within(time_to_arrive)) return;
      give_up({static_cast<int>(i), {}}, [&] {
        return fmt::format(
            "{} waits for rank {}, which has left the body of allgrad::run, in which it {}. Functions of models, "
            "tables, optimizers and communicators are collective: call them on all ranks, and print on one",
            describe_call(awaited_.operation), i, *how);
      });
    }
  }

  /// Gives up where another rank waits elsewhere for this one, which waits for it here: neither would go on. Where MPI
  /// serves several threads, another thread of that rank may come.
  void look_for_parting(Clock::time_point now) {
    try {
      notes_->tell_waiting(awaited_.ranks, awaited_.id, awaited_.as_failed, now - start_ > time_until_warning,
                           [this] { return describe_call(awaited_.operation); });
      if (awaited_.as_failed && now - start_ < 2 * time_until_told) return;  // others say better what it has failed by
      for (const int rank : awaited_.ranks) {
        if (const Notes::Waiting* other = notes_->waits_elsewhere(rank, awaited_.id)) part_from(rank, *other);
      }
    } catch (const std::bad_alloc&) {  // in the next look
    }
  }

  [[noreturn]] void part_from(int rank, const Notes::Waiting& other) {
    const int place = place_of(rank), own = place_of(own_rank());
    give_up({place, {}, !awaited_.as_failed && !other.has_failed}, [&] {
      const std::string call = describe_call(awaited_.operation);
      constexpr std::string_view failed = "which has failed and waits to say so on another communicator";
      if (awaited_.as_failed) return fmt::format("{} waits for rank {}, {}: {}", other.text, own, failed, call);
      if (other.has_failed) return fmt::format("{} waits for rank {}, {}: {}", call, place, failed, other.text);
      return describe_divergence(own, call, place, other.text,
                                 ", on another communicator, and each waits for the other");
    });
  }

  int place_of(int rank) const {
    return static_cast<int>(std::ranges::find(awaited_.ranks, rank) - awaited_.ranks.begin());
  }

  static int own_rank() {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
  }

  void look_at_signals(Clock::time_point now) {
    const std::string_view signal = InterruptGuard::signal();
    if (signal.empty()) return;
    if (!signal_time_) signal_time_ = now;
    if (now - *signal_time_ < time_to_stop) return;
    give_up({0, {}}, [&] {
      return fmt::format("{} was interrupted by {} while it waited for {}", describe_call(awaited_.operation), signal,
                         describe_missing(find_missing(), awaited_.ranks.size()));
    });
  }

  void end_at_limit(double limit) {
    const std::vector<std::size_t> missing = find_missing();
    if (is_done_within(0s)) return;
    give_up({missing.empty() ? 0 : static_cast<int>(missing[0]), {}}, [&] {
      return fmt::format("{} has waited {} seconds, the limit that ALLGRAD_TIMEOUT sets, for {}",
                         describe_call(awaited_.operation), limit, describe_missing(missing, awaited_.ranks.size()));
    });
  }

  void warn() {
    const std::vector<std::size_t> missing = find_missing();
    // The lowest of those that wait speaks.
    for (std::size_t i = 0; i < awaited_.ranks.size(); ++i) {
      if (std::ranges::find(missing, i) != missing.end()) continue;
      if (notes_ != nullptr && notes_->waits(awaited_.ranks[i], awaited_.id)) return;
      break;
    }
    emit(Severity::warning, fmt::format("{} has waited {} seconds for {}", describe_call(awaited_.operation),
                                        seconds(time_until_warning), describe_missing(missing, awaited_.ranks.size())));
  }

  /// Of the ranks of the communicator, those that do not say that they wait.
  std::vector<std::size_t> find_missing() {
    std::vector<std::size_t> missing;
    if (notes_ == nullptr) return missing;
    notes_->ask(awaited_.ranks, awaited_.id);
    is_done_within(time_to_answer);
    const int own = own_rank();
    for (std::size_t i = 0; i < awaited_.ranks.size(); ++i) {
      if (awaited_.ranks[i] != own && !notes_->waits(awaited_.ranks[i], awaited_.id)) missing.push_back(i);
    }
    return missing;
  }

  /// Without memory for the text, or to tell the others, it gives up too.
  template <class Text>
  [[noreturn]] void give_up(Notes::Reason why, const Text& text) {
    try {
      why.text = text();
      if (notes_ != nullptr) notes_->give_up(awaited_.ranks, awaited_.id, why);
    } catch (const std::bad_alloc&) {
    }
    throw why;
  }

  Pending& pending_;
  const Awaited& awaited_;
  Notes* notes_;
  const Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> signal_time_;
  bool warned_ = false;
};

std::atomic<bool> any_given_up = false;

void keep_for_ever(std::shared_ptr<void> written) {
  any_given_up = true;
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  try {
    static auto* const kept = new std::vector<std::shared_ptr<void>>;
    kept->push_back(std::move(written));
  } catch (const std::bad_alloc&) {
    alignas(std::shared_ptr<void>) std::array<std::byte, sizeof(std::shared_ptr<void>)> room;
    new (room.data()) std::shared_ptr<void>(std::move(written));  // which is not destroyed
  }
}

}  // namespace

std::chrono::milliseconds time_until_warning = 60s;

void wait(Pending& pending, const Awaited& awaited) {
  try {
    for (int i = 0; i < quick_tests; ++i) {
      if (pending.is_done()) return;
    }
    Wait(pending, awaited).run();
  } catch (...) {
    keep_for_ever(pending.written());
    if (awaited.original != MPI_COMM_NULL) mark_as_given_up(awaited.original);
    try {
      throw;
    } catch (const Notes::Reason& why) {
      if (why.is_divergence) throw DivergenceError(why.text, line_of(awaited.operation));
      throw RankError(why.missing, why.text, line_of(awaited.operation));
    }
  }
}

bool any_collective_given_up() { return any_given_up; }

std::optional<double> time_limit() {
  const char* text = std::getenv(timeout_variable);
  if (text == nullptr) return std::nullopt;
  char* end = nullptr;
  const double limit = std::strtod(text, &end);
  return *end == '\0' && std::isfinite(limit) && limit > 0.0 ? std::optional(limit) : std::nullopt;
}

std::string describe_missing(const std::vector<std::size_t>& missing, std::size_t num_ranks) {
  if (missing.empty()) return "other ranks";
  constexpr std::size_t most = 10;
  const std::size_t shown = std::min(missing.size(), most);
  std::string text =
      fmt::format("{} {}", missing.size() == 1 ? "rank" : "ranks",
                  fmt::join(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (missing.size() > shown) text += fmt::format(" and {} more", missing.size() - shown);
  return fmt::format("{} of {}, which {} not come to it", text, num_ranks, missing.size() == 1 ? "has" : "have");
}

void check_time_limit() {
  const char* text = std::getenv(timeout_variable);
  if (text == nullptr || *text == '\0' || time_limit()) return;
  throw ArgumentError(fmt::format(
      "{}: expected a number of seconds above 0, or no such environment variable, got \"{}\"", timeout_variable, text));
}

}  // namespace allgrad
