#include "allgrad/exact.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "allgrad/error.hpp"

namespace allgrad::detail {

const char* const why_inexact =
    "doubles hold all whole numbers up to 2^53 = 9007199254740992 only; subtract one number from all of them, or "
    "convert "
    "them to double yourself where rounded ones will do";

void refuse(const Inexact& inexact, std::span<const std::size_t> shape, SourceLocation where) {
  std::vector<std::size_t> index(shape.size());
  std::size_t rest = inexact.place;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = rest % shape[axis];
    rest /= shape[axis];
  }
  throw ArgumentError(fmt::format("expected numbers that a double equals, got {}{}; {}", inexact.number,
                                  index.empty() ? "" : fmt::format(" at {}", index), why_inexact),
                      where);
}

}  // namespace allgrad::detail
