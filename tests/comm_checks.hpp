#pragma once

#include <cmath>
#include <exception>
#include <stdexcept>
#include <string>

#include "catch.hpp"
#include "world.hpp"

namespace allgrad::testing {

/// What `action` throws as an `E`; "" where it throws nothing. Another exception ends the test.
template <class E, class F>
std::string thrown(F&& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

inline std::exception_ptr failure(const std::string& text) {
  return std::make_exception_ptr(std::invalid_argument(text));
}

/// A sum with rank-dependent data comes out right, as a check that the communicator (still) works.
inline void check_sum(const Communicator& comm) {
  Message message(2);
  message.payload()[0] = comm.rank() + 1;
  message.payload()[1] = std::ldexp(1.0, -comm.rank());
  comm.allreduce(message);
  const int n = comm.size();
  CHECK(message.payload()[0] == n * (n + 1) / 2);
  CHECK(message.payload()[1] == 2.0 - std::ldexp(1.0, 1 - n));
}

}  // namespace allgrad::testing
