#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// How often this program has called operator new so far, in any form and from any library. Calls of malloc, such as
/// MPI's own, do not count.
std::size_t allocations();

/// While one lives, its thread runs out of memory: at its call number `first` of operator new, counted from 1, and at
/// all later ones too where `lasting`. One at a time.
class OutOfMemory {
 public:
  OutOfMemory(std::size_t first, bool lasting);
  ~OutOfMemory();
  OutOfMemory(const OutOfMemory&) = delete;
  OutOfMemory& operator=(const OutOfMemory&) = delete;
};

/// While one lives, notes which of its thread's calls of operator new, counted from 1, come by a chain of callers by
/// which none came before. One at a time.
class NewCallers {
 public:
  NewCallers();
  ~NewCallers();
  NewCallers(const NewCallers&) = delete;
  NewCallers& operator=(const NewCallers&) = delete;

  std::vector<std::uint64_t> calls() const;
};
