#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <thread>
#include <vector>

namespace allgrad {

/// Loops over rows go in tiles of so many rows at most.
inline constexpr std::size_t most_tile_rows = 1024;

/// Doubles from lane to lane of values of so many rows. Lanes that have the same place in the cache push each other out
/// of it: not all may be a multiple of 1 kB apart.
constexpr std::size_t apart(std::size_t rows) { return rows % 128 == 0 ? rows + 8 : rows; }

/// Some of this rank's rows, one after the other.
struct RowBlock {
  std::size_t first = 0, count = 0;

  bool operator==(const RowBlock&) const = default;
};

/// Where the columns of a stream come from.
class RowSource {
 public:
  virtual ~RowSource() = default;

  /// Reads rows of some columns: `out` has a place for each column, null for those that are not wanted, where lane k of
  /// the block begins at k * lane_stride. Called by a thread of the library, one at a time; what it throws is raised
  /// where the rows are needed.
  virtual void read(const RowBlock& block, std::span<double* const> out, std::size_t lane_stride) = 0;
};

/// Columns of which a few rows are in memory at a time: while a loop computes with one block, a thread reads the next.
/// There is room for two. Used by one thread at a time.
class RowStream {
 public:
  /// A column for each of `lanes`, the numbers in each of its rows. Blocks have `rows_per_block` rows, or
  /// `most_tile_rows` where that is more, but for what is no whole tile.
  RowStream(std::unique_ptr<RowSource> source, std::vector<std::size_t> lanes, std::size_t local_rows,
            std::size_t rows_per_block);
  ~RowStream();
  RowStream(const RowStream&) = delete;
  RowStream& operator=(const RowStream&) = delete;

  /// Rows of each block but the last for a loop in tiles of so many rows: whole tiles, so that sums are those of a loop
  /// over rows in memory.
  std::size_t block_rows(std::size_t tile_rows) const;

  /// Doubles from lane to lane of a column.
  std::size_t lane_stride() const { return lane_stride_; }

  std::size_t rows_per_block() const { return rows_per_block_; }

  /// Makes room for blocks of these columns, and a thread to read them: `take` allocates nothing then.
  void make_room_for(std::span<const std::size_t> columns);

  /// Rows of some columns, which have room.
  struct Wanted {
    RowBlock block;
    std::span<const std::size_t> columns;
  };

  /// Waits until the rows `now` are in memory, where they stay until the next call, and has `next` be read meanwhile.
  /// Throws what the source threw for `now`.
  void take(const Wanted& now, const Wanted& next);

  /// Lane 0 of a column of the block that was taken.
  const double* data(std::size_t column) const { return slots_[taken_].columns[column].get(); }

  /// Waits until nothing is read any more: others may use the libraries behind the source then.
  void rest();

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(double* memory) const { ::operator delete[](memory, alignment); }
  };

  /// Room for a block, and which of its columns it holds.
  struct Slot {
    RowBlock block;
    std::vector<std::unique_ptr<double[], Free>> columns;
    std::vector<bool> holds;
    std::exception_ptr failure;
  };

  bool has(const Slot& slot, const Wanted& wanted) const;
  std::size_t slot_for(const RowBlock& block) const;
  void start(Slot& into, const Wanted& wanted);
  void wait_for_reader();
  void read_what_is_asked_for();

  const std::unique_ptr<RowSource> source_;
  const std::vector<std::size_t> lanes_;
  const std::size_t local_rows_, rows_per_block_, lane_stride_;
  Slot slots_[2];
  std::size_t taken_ = 0;  ///< the slot that a loop computes with

  std::mutex mutex_;
  std::condition_variable changed_;
  Slot* asked_for_ = nullptr;  ///< what the reader is at: where `places_` are not null
  std::vector<double*> places_;
  bool ends_ = false;
  std::thread reader_;
};

}  // namespace allgrad
