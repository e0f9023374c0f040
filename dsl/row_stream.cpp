#include "dsl/row_stream.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/masked_traps.hpp"

namespace allgrad {

namespace {

/// A thread that leaves signals to the others.
template <class F>
std::thread without_signals(F run) {
  sigset_t all, own;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &own);
  try {
    std::thread thread(run);
    pthread_sigmask(SIG_SETMASK, &own, nullptr);
    return thread;
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &own, nullptr);
    throw;
  }
}

}  // namespace

RowStream::RowStream(std::unique_ptr<RowSource> source, std::vector<std::size_t> lanes, std::size_t local_rows,
                     std::size_t rows_per_block)
    : source_(std::move(source)),
      lanes_(std::move(lanes)),
      local_rows_(local_rows),
      rows_per_block_(std::max(rows_per_block, most_tile_rows)),
      lane_stride_(apart(std::min(local_rows_, rows_per_block_))),
      places_(lanes_.size()) {
  for (Slot& slot : slots_) {
    slot.columns.resize(lanes_.size());
    slot.holds.resize(lanes_.size());
  }
}

RowStream::~RowStream() {
  if (!reader_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  reader_.join();
}

std::size_t RowStream::block_rows(std::size_t tile_rows) const {
  return local_rows_ <= rows_per_block_ ? local_rows_ : rows_per_block_ / tile_rows * tile_rows;
}

void RowStream::make_room_for(std::span<const std::size_t> columns) {
  if (local_rows_ == 0 || columns.empty()) return;
  for (Slot& slot : slots_) {
    for (const std::size_t column : columns) {
      if (slot.columns[column] != nullptr) continue;
      slot.columns[column].reset(new (alignment) double[lanes_[column] * lane_stride_]);
    }
  }
  if (!reader_.joinable()) reader_ = without_signals([this] { read_what_is_asked_for(); });
}

bool RowStream::has(const Slot& slot, const Wanted& wanted) const {
  return slot.block == wanted.block &&
         std::ranges::all_of(wanted.columns, [&](std::size_t column) { return slot.holds[column]; });
}

/// The one that holds the block, or else the one that is not computed with.
std::size_t RowStream::slot_for(const RowBlock& block) const {
  return slots_[taken_].block == block ? taken_ : 1 - taken_;
}

void RowStream::take(const Wanted& now, const Wanted& next) {
  wait_for_reader();
  const std::size_t at = slot_for(now.block);
  Slot& slot = slots_[at];
  const bool has_failed = slot.block == now.block && slot.failure != nullptr;
  if (!has(slot, now) && !has_failed) {
    start(slot, now);
    wait_for_reader();
  }
  if (!has(slot, now)) {
    slot.block = {};  // to be read again where an evaluation is tried again
    std::rethrow_exception(std::exchange(slot.failure, nullptr));
  }
  taken_ = at;
  Slot& ahead = slots_[slot_for(next.block)];
  if (!has(ahead, next)) start(ahead, next);
}

void RowStream::rest() { wait_for_reader(); }

/// Asks the reader for what a slot lacks of the rows.
void RowStream::start(Slot& into, const Wanted& wanted) {
  if (into.block != wanted.block) into.holds.assign(into.holds.size(), false);
  into.block = wanted.block;
  into.failure = nullptr;
  std::ranges::fill(places_, nullptr);
  for (const std::size_t column : wanted.columns) {
    if (!into.holds[column]) places_[column] = into.columns[column].get();
  }
  {
    const std::lock_guard lock(mutex_);
    asked_for_ = &into;
  }
  changed_.notify_all();
}

void RowStream::wait_for_reader() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return asked_for_ == nullptr; });
}

void RowStream::read_what_is_asked_for() {
  const MaskedTraps masked;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || asked_for_ != nullptr; });
    if (ends_) return;
    Slot& slot = *asked_for_;
    lock.unlock();
    try {
      source_->read(slot.block, places_, lane_stride_);
      for (std::size_t column = 0; column < places_.size(); ++column) {
        if (places_[column] != nullptr) slot.holds[column] = true;
      }
    } catch (...) {
      slot.failure = std::current_exception();
    }
    lock.lock();
    asked_for_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace allgrad
