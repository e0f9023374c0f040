// expects: .hallos. was not declared in this scope|use of undeclared identifier .hallos.
#include <allgrad/allgrad.hpp>
allgrad::Expr f(const allgrad::Expr& halos) { return sum(square(hallos)); }
