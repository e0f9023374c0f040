// compiles
#include <allgrad/allgrad.hpp>
#include <array>
allgrad::Expr f(const allgrad::Expr& x) {
  return concatenate(x - std::vector{1.0, 2.0}, std::array<int, 2>{3, 4} * x) + sum(stack(x, x, x));
}
