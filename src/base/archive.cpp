#include "base/archive.hpp"

#include <cstring>

#include "allgrad/error.hpp"

namespace allgrad {

void Archive::refuse() { throw DataError("expected more bytes, or others, for the fields of a state"); }

void Archive::copy(void* data, std::size_t size) {
  if (size == 0) return;
  if (!reads_) {
    written_.append(static_cast<const char*>(data), size);
    return;
  }
  if (size > rest_.size()) refuse();
  std::memcpy(data, rest_.data(), size);
  rest_.remove_prefix(size);
}

}  // namespace allgrad
