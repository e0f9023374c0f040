// expects: (use of deleted function.*begin|attempt to use a deleted function)
#include <allgrad/allgrad.hpp>
double f(const allgrad::Expr& x) {
  double sum = 0.0;
  for (auto element : x) sum += 1.0;
  return sum;
}
