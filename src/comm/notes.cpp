#include "comm/notes.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <numeric>
#include <thread>

#include "comm/mpi_check.hpp"
#include "comm/record_merge.hpp"
#include "comm/wait.hpp"

namespace allgrad {

namespace {

constexpr int note_tag = 0;
Notes* notes_of_world = nullptr;

}  // namespace

Notes& Notes::of_world() {
  if (notes_of_world != nullptr) return *notes_of_world;
  const Operation operation("Communicator::world");
  std::unique_ptr<Notes> notes;
  std::vector<int> ranks;
  const CollectiveId id = prepare_duplicate(MPI_COMM_WORLD, operation, [&] {
    notes.reset(new Notes);
    ranks = ranks_in_world(MPI_COMM_WORLD);
  });
  notes->comm_.duplicate(MPI_COMM_WORLD,
                         {.operation = operation, .id = id, .ranks = ranks, .original = MPI_COMM_WORLD});
  notes_of_world = notes.release();  // not destroyed: MPI_Finalize frees the duplicate
  return *notes_of_world;
}

Notes* Notes::get() { return notes_of_world; }

Notes::Notes() {
  constexpr std::size_t threads = 64;
  waits_.reserve(threads);  // so that waiting takes no memory
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
}

void Notes::send(std::span<const int> ranks, const Note& note) {
  for (const int rank : ranks) {
    if (rank == rank_ || rank == MPI_UNDEFINED) continue;
    Sent& sent = sent_.emplace_back(Sent{note, MPI_REQUEST_NULL});
    check_mpi(MPI_Isend(&sent.note, sizeof(Note), MPI_BYTE, rank, note_tag, comm_.get(), &sent.request), "MPI_Isend");
  }
  free_sent();
}

void Notes::free_sent() {
  std::erase_if(sent_, [](Sent& sent) {
    int done = 0;
    return MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done != 0;
  });
}

void Notes::leave(std::string_view how) {
  const std::scoped_lock lock(mutex_);
  Note note{.kind = Kind::left};
  copy_cut(how, note.text);
  std::vector<int> all(static_cast<std::size_t>(size_));
  std::iota(all.begin(), all.end(), 0);
  send(all, note);
  has_left_ = true;
}

void Notes::give_up(std::span<const int> ranks, const CollectiveId& collective, const Reason& why) {
  const std::scoped_lock lock(mutex_);
  const Kind kind = why.is_divergence ? Kind::diverged : Kind::given_up;
  Note note{.kind = kind, .collective = collective, .missing = why.missing};
  copy_cut(why.text, note.text);
  send(ranks, note);
}

void Notes::ask(std::span<const int> ranks, const CollectiveId& collective) {
  const std::scoped_lock lock(mutex_);
  answers_[collective].clear();
  send(ranks, {.kind = Kind::question, .collective = collective});
}

void Notes::look() {
  const std::scoped_lock lock(mutex_);
  for (;;) {
    if (!came_) {
      int there = 0;
      MPI_Status status;
      check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, note_tag, comm_.get(), &there, &status), "MPI_Iprobe");
      if (there == 0) break;
      auto& [rank, note] = came_.emplace(status.MPI_SOURCE, Note{});
      check_mpi(MPI_Recv(&note, sizeof(Note), MPI_BYTE, rank, note_tag, comm_.get(), MPI_STATUS_IGNORE), "MPI_Recv");
    }
    try {
      handle(came_->first, came_->second);
    } catch (const std::bad_alloc&) {
      break;
    }
    came_.reset();
  }
  free_sent();
}

void Notes::handle(int rank, const Note& note) {
  switch (note.kind) {
    case Kind::left: left_.try_emplace(rank, note.text.data()); break;
    case Kind::given_up:
    case Kind::diverged:
      given_up_.try_emplace(note.collective, Reason{note.missing, note.text.data(), note.kind == Kind::diverged});
      break;
    case Kind::question:
      if (is_waiting_in(note.collective)) send({&rank, 1}, {.kind = Kind::answer, .collective = note.collective});
      break;
    case Kind::answer: answers_[note.collective].push_back(rank); break;
    case Kind::waiting:
    case Kind::failed:
      waiting_.insert_or_assign(rank, Waiting{note.collective, note.kind == Kind::failed, note.text.data()});
      if (!has_left_) send({&rank, 1}, {.kind = Kind::noted});
      break;
    case Kind::noted: told_[rank].is_noted = true; break;
    case Kind::ask_begun: answer_begun(rank, note); break;
    case Kind::not_begun:
      if (const auto found = waiting_.find(rank);
          found != waiting_.end() && found->second.collective == note.elsewhere) {
        found->second.not_begun = note.collective;
      }
      break;
  }
}

void Notes::count(std::uint64_t comm, const std::size_t* begun) noexcept {
  const std::scoped_lock lock(mutex_);
  try {
    begun_[comm] = begun;
  } catch (const std::bad_alloc&) {
  }
}

void Notes::forget(std::uint64_t comm) noexcept {
  const std::scoped_lock lock(mutex_);
  begun_.erase(comm);
}

void Notes::tell_waiting(std::span<const int> ranks, const CollectiveId& collective, bool has_failed, bool to_all,
                         const std::function<std::string()>& text) {
  const std::scoped_lock lock(mutex_);
  const std::size_t size = ranks.size(), most = to_all ? size : std::min<std::size_t>(size, 3);
  const auto own = static_cast<std::size_t>(std::ranges::find(ranks, rank_) - ranks.begin());
  for (std::size_t i = 0; i < most; ++i) {
    const int other = ranks[(own + size - 1 + i) % size];
    if (other == rank_) continue;
    Told& told = told_[other];
    if (!told.is_noted || told.collective == collective) continue;
    Note note{.kind = has_failed ? Kind::failed : Kind::waiting, .collective = collective};
    copy_cut(text(), note.text);
    send({&other, 1}, note);
    told = {collective, false};
  }
}

const Notes::Waiting* Notes::waits_elsewhere(int rank, const CollectiveId& collective) {
  const std::scoped_lock lock(mutex_);
  const auto found = waiting_.find(rank);
  if (found == waiting_.end()) return nullptr;
  Waiting& other = found->second;
  if (given_up_.contains(other.collective) || !has_not_begun(other.collective)) return nullptr;
  if (other.not_begun == collective) return &other;
  if (other.asked != collective) {
    send({&rank, 1}, {.kind = Kind::ask_begun, .collective = collective, .elsewhere = other.collective});
    other.asked = collective;
  }
  return nullptr;
}

// Only while it waits there: it goes on to nothing else then, unless the one that asks comes.
void Notes::answer_begun(int rank, const Note& question) {
  if (!is_waiting_in(question.elsewhere) || !has_not_begun(question.collective)) return;
  parted_[question.elsewhere] = {rank, question.collective};
  send({&rank, 1}, {.kind = Kind::not_begun, .collective = question.collective, .elsewhere = question.elsewhere});
}

std::optional<std::pair<int, const Notes::Reason*>> Notes::parted(const CollectiveId& collective) const {
  const std::scoped_lock lock(mutex_);
  const auto found = parted_.find(collective);
  if (found == parted_.end()) return std::nullopt;
  const Reason* why = given_up(found->second.second);
  return why == nullptr ? std::nullopt : std::optional(std::pair(found->second.first, why));
}

bool Notes::is_waiting_in(const CollectiveId& collective) const {
  return std::ranges::find(waits_, collective) != waits_.end();
}

// False where that is not known. What was never made has no collectives.
bool Notes::has_not_begun(const CollectiveId& collective) const {
  const auto begun = begun_.find(collective.comm);
  if (begun == begun_.end()) return collective.comm >= CollectiveId::first_of_making;
  return *begun->second < collective.number;
}

void Notes::start_to_wait(const CollectiveId& collective) {
  const std::scoped_lock lock(mutex_);
  waits_.push_back(collective);
}

void Notes::end_wait(const CollectiveId& collective) {
  const std::scoped_lock lock(mutex_);
  waits_.erase(std::ranges::find(waits_, collective));
  answers_.erase(collective);
  parted_.erase(collective);
}

bool Notes::any_left() const {
  const std::scoped_lock lock(mutex_);
  return !left_.empty();
}

const std::string* Notes::left(int rank) const {
  const std::scoped_lock lock(mutex_);
  const auto found = left_.find(rank);
  return found == left_.end() ? nullptr : &found->second;
}

const Notes::Reason* Notes::given_up(const CollectiveId& collective) const {
  const std::scoped_lock lock(mutex_);
  const auto found = given_up_.find(collective);
  return found == given_up_.end() ? nullptr : &found->second;
}

bool Notes::waits(int rank, const CollectiveId& collective) const {
  const std::scoped_lock lock(mutex_);
  const auto found = answers_.find(collective);
  return found != answers_.end() && std::ranges::find(found->second, rank) != found->second.end();
}

void Notes::settle() {
  using namespace std::chrono_literals;
  const std::scoped_lock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + 1s;
  const auto others = static_cast<std::size_t>(size_ - 1);
  while ((left_.size() < others || !sent_.empty()) && std::chrono::steady_clock::now() < deadline) {
    look();
    std::this_thread::sleep_for(50us);
  }
  has_left_ = false;
  left_.clear();
  given_up_.clear();
  waiting_.clear();
  told_.clear();
  parted_.clear();
}

}  // namespace allgrad
