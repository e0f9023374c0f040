#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <utility>
#include <vector>

namespace allgrad {

namespace detail {

/// Where a key is looked for first among 2^(64 - shift) slots, 16 or more: Fibonacci hashing (Knuth, The Art of
/// Computer Programming, 6.4).
inline std::size_t first_slot(std::uint64_t key, int shift) { return (key * 0x9e3779b97f4a7c15U) >> shift; }

/// Of pointers, objects that lie side by side, as nodes do which were made one after the other, have slots side by
/// side: what goes over a graph finds them in the processor's cache.
inline std::size_t first_slot(const void* key, int shift) {
  const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(key));
  constexpr std::size_t neighbours = 16;
  const std::size_t group = first_slot(address >> 11, shift), place = (address >> 7) % neighbours;
  return group / neighbours * neighbours + place;
}

}  // namespace detail

/// A value for each of some keys, pointers or numbers, in the order in which they were inserted. Passes look up every
/// node of a graph many times: entries lie one behind the other, and a table of their positions is probed linearly.
/// Insertion invalidates references to values.
template <class Key, class T>
class FlatMap {
 public:
  using Entry = std::pair<Key, T>;

  std::size_t size() const { return entries_.size(); }
  auto begin() { return entries_.begin(); }
  auto end() { return entries_.end(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

  void reserve(std::size_t count) {
    entries_.reserve(count);
    while (!has_room_for(count)) grow();
  }

  auto find(Key key) { return entries_.begin() + position_of(key); }
  auto find(Key key) const { return entries_.begin() + position_of(key); }
  bool contains(Key key) const { return find(key) != end(); }

  const T& at(Key key) const {
    const auto found = find(key);
    if (found == end()) throw std::out_of_range("FlatMap::at: no such key");
    return found->second;
  }

  /// The entry of the key and whether it is new, with a value made from the arguments; an entry that is there already
  /// stays what it is.
  template <class... Args>
  std::pair<typename std::vector<Entry>::iterator, bool> emplace(Key key, Args&&... args) {
    if (!has_room_for(entries_.size() + 1)) grow();
    std::uint32_t& slot = slot_of(key);
    if (slot != none) return {entries_.begin() + slot, false};
    entries_.emplace_back(key, T(std::forward<Args>(args)...));
    slot = static_cast<std::uint32_t>(entries_.size() - 1);
    return {std::prev(entries_.end()), true};
  }

  T& operator[](Key key) { return emplace(key).first->second; }

 private:
  static constexpr std::uint32_t none = 0xffffffff;

  bool has_room_for(std::size_t count) const { return 2 * count <= slots_.size(); }

  /// The key's slot, or the free one where it belongs. There are free ones.
  const std::uint32_t& slot_of(Key key) const {
    std::size_t i = detail::first_slot(key, shift_);
    while (slots_[i] != none && entries_[slots_[i]].first != key) i = (i + 1) & (slots_.size() - 1);
    return slots_[i];
  }

  std::uint32_t& slot_of(Key key) { return const_cast<std::uint32_t&>(std::as_const(*this).slot_of(key)); }

  std::ptrdiff_t position_of(Key key) const {
    const std::uint32_t slot = slots_.empty() ? none : slot_of(key);
    return static_cast<std::ptrdiff_t>(slot == none ? entries_.size() : slot);
  }

  void grow() {
    shift_ = slots_.empty() ? 60 : shift_ - 2;  // fourfold: to move all costs more than room does
    slots_.assign(std::size_t{1} << (64 - shift_), none);
    for (std::size_t i = 0; i < entries_.size(); ++i) slot_of(entries_[i].first) = static_cast<std::uint32_t>(i);
  }

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // positions in entries_; a power of two of them
  int shift_ = 64;                    // 64 - log2 of their number
};

/// Some pointers, none of them null.
template <class T>
class PointerSet {
 public:
  /// False where the pointer is there already.
  bool insert(const T* pointer) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    const T*& slot = slots_[slot_of(pointer)];
    if (slot != nullptr) return false;
    slot = pointer;
    ++size_;
    return true;
  }

  bool contains(const T* pointer) const { return !slots_.empty() && slots_[slot_of(pointer)] != nullptr; }
  std::size_t size() const { return size_; }

 private:
  /// Of the pointer, or the free one where it belongs. There are free ones.
  std::size_t slot_of(const T* pointer) const {
    std::size_t i = detail::first_slot(pointer, shift_);
    while (slots_[i] != nullptr && slots_[i] != pointer) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  void grow() {
    shift_ = slots_.empty() ? 60 : shift_ - 2;  // fourfold: to move all costs more than room does
    const std::vector<const T*> former = std::exchange(slots_, std::vector<const T*>(std::size_t{1} << (64 - shift_)));
    for (const T* pointer : former) {
      if (pointer != nullptr) slots_[slot_of(pointer)] = pointer;
    }
  }

  std::vector<const T*> slots_;
  std::size_t size_ = 0;
  int shift_ = 64;  // 64 - log2 of the number of slots
};

}  // namespace allgrad
