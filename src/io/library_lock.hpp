#pragma once

#include <mutex>

namespace allgrad {

/// Held by the thread that calls HDF5 or CFITSIO, which are not made for several.
inline std::recursive_mutex& library_mutex() {
  static std::recursive_mutex one;
  return one;
}

}  // namespace allgrad
