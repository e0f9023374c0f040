// A test that uses allocations() is linked with this file, and so with its operators new and delete. All forms are
// here: those of a sanitizer, unlike the standard library's, do not call one another.
#include "allocations.hpp"

#include <execinfo.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <set>

namespace {

std::atomic<std::size_t> count{0};

struct Fault {
  std::size_t first = 0;  // call that gets no memory; 0 where all do
  bool lasting = false;
  std::size_t calls = 0;
};
thread_local Fault fault;

using Chain = std::array<void*, 9>;  // the innermost callers

/// The calls that NewCallers notes.
struct Callers {
  bool noting = false;
  std::uint64_t count = 0;
  std::set<Chain> chains = {};
  std::vector<std::uint64_t> calls = {};
};
thread_local Callers callers;

void note_callers() {
  if (!callers.noting) return;
  callers.noting = false;  // its own memory does not count
  ++callers.count;
  Chain chain{};
  backtrace(chain.data(), static_cast<int>(chain.size()));
  if (callers.chains.insert(chain).second) callers.calls.push_back(callers.count);
  callers.noting = true;
}

/// Counts a call, and says whether it is one that gets no memory.
bool is_refused() noexcept {
  ++count;
  note_callers();
  if (fault.first == 0) return false;
  ++fault.calls;
  return fault.lasting ? fault.calls >= fault.first : fault.calls == fault.first;
}

void* allocate(std::size_t size) noexcept {
  if (is_refused()) return nullptr;
  return std::malloc(size > 0 ? size : 1);
}

void* allocate(std::size_t size, std::align_val_t alignment) noexcept {
  if (is_refused()) return nullptr;
  const auto unit = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(unit, (size / unit + 1) * unit);
}

void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

std::size_t allocations() { return count; }

OutOfMemory::OutOfMemory(std::size_t first, bool lasting) { fault = {.first = first, .lasting = lasting}; }

OutOfMemory::~OutOfMemory() { fault = {}; }

NewCallers::NewCallers() {
  callers = {};
  callers.noting = true;
}

NewCallers::~NewCallers() { callers.noting = false; }

std::vector<std::uint64_t> NewCallers::calls() const {
  callers.noting = false;  // or the copy would be of a list that grows meanwhile
  std::vector<std::uint64_t> result = callers.calls;
  callers.noting = true;
  return result;
}

using Align = std::align_val_t;
using NoThrow = std::nothrow_t;

void* operator new(std::size_t size) { return or_throw(allocate(size)); }
void* operator new[](std::size_t size) { return or_throw(allocate(size)); }
void* operator new(std::size_t size, const NoThrow&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const NoThrow&) noexcept { return allocate(size); }
void* operator new(std::size_t size, Align alignment) { return or_throw(allocate(size, alignment)); }
void* operator new[](std::size_t size, Align alignment) { return or_throw(allocate(size, alignment)); }
void* operator new(std::size_t size, Align alignment, const NoThrow&) noexcept { return allocate(size, alignment); }
void* operator new[](std::size_t size, Align alignment, const NoThrow&) noexcept { return allocate(size, alignment); }

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const NoThrow&) noexcept { std::free(memory); }
void operator delete[](void* memory, const NoThrow&) noexcept { std::free(memory); }
void operator delete(void* memory, Align) noexcept { std::free(memory); }
void operator delete[](void* memory, Align) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, Align) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, Align) noexcept { std::free(memory); }
void operator delete(void* memory, Align, const NoThrow&) noexcept { std::free(memory); }
void operator delete[](void* memory, Align, const NoThrow&) noexcept { std::free(memory); }
