// expects: == compares no elements: write equal\(x, y\)
#include <allgrad/allgrad.hpp>
allgrad::Expr f(const allgrad::Expr& x) { return where(x == 1.0, x, 0.0); }
