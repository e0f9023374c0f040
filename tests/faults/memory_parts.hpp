#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "allgrad/communicator.hpp"

// The parts of the library that are to bear a lack of memory.

namespace memory {

/// Numbers that take no memory when they are noted.
class Numbers {
 public:
  Numbers(std::initializer_list<double> values = {}) {
    std::ranges::for_each(values, [&](double v) { push_back(v); });
  }
  void push_back(double value) { values_.at(count_++) = value; }
  bool operator==(const Numbers& other) const {  // to the bit, NaN too
    return count_ == other.count_ && std::memcmp(values_.data(), other.values_.data(), sizeof values_) == 0;
  }

 private:
  std::array<double, 400> values_{};
  std::size_t count_ = 0;
};

using Action = std::function<Numbers()>;

/// What a rank does while memory runs out. Whatever is not the library's is made before, by `prepare`.
struct Part {
  std::string name;
  std::function<Action(const allgrad::Communicator&)> prepare;
  bool throws = false;  // on every rank, with memory too
};

/// All of them.
const std::vector<Part>& parts();

/// Those that are in files of their own.
std::vector<Part> model_parts();
std::vector<Part> fit_parts();

/// A file of this program that parts write.
std::string file_of(const char* name);

}  // namespace memory
