// expects: x\[0\] = y changes nothing, since graphs are immutable
#include <allgrad/allgrad.hpp>
void f(allgrad::Expr x, allgrad::Expr y) { x[0] = y; }
