#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace allgrad {

/// A result as files have it, whatever their format: a tree of named values. It is freed without asking for memory.
struct Data {
  struct Member;

  struct Nothing {};
  struct Numbers {
    std::vector<std::size_t> shape;
    std::vector<double> values;  // in row-major order
  };
  using List = std::vector<Data>;  // of one kind
  using Object = std::vector<Member>;

  /// Throws DataError where it is no object, or has no such member; that is nothing where it is `optional`.
  const Data& at(std::string_view name, bool optional = false) const;

  std::variant<Nothing, bool, std::uint64_t, double, std::string, Numbers, List, Object> value;
};

struct Data::Member {
  std::string name;
  Data data;
};

}  // namespace allgrad
