// compiles
#include <allgrad/allgrad.hpp>
#include <iostream>
void f(const allgrad::OptimizeResult& fit, const allgrad::Expr& x, const allgrad::Table& table) {
  std::cout << fit << x << table << allgrad::Param{.name = "a"} << '\n';
  fmt::print("{} {} {} {}\n", fit, x, table, allgrad::Param{.name = "a"});
}
