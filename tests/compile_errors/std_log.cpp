// expects: no matching function for call to .log
#include <allgrad/allgrad.hpp>
#include <cmath>
allgrad::Expr f(const allgrad::Expr& x) { return std::log(x); }
