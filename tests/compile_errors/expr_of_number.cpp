// expects: a number or an array is no Expr by itself: write constant\(value\)
#include <allgrad/allgrad.hpp>
allgrad::Expr a = 1.0;
