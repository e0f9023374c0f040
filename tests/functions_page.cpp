// functions_page PAGE [--write]: compares docs/functions.md with the table of operators, or writes it.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "dsl/elementwise.hpp"

namespace ag = allgrad;

namespace {

constexpr std::string_view head =
    R"(# Elementwise functions

Made from `dsl/operators.def` by `build/tests/functions_page docs/functions.md --write`.

Each takes an `Expr`, a number or an xtensor expression for every operand x, y, z, and applies to each element after
broadcasting, as in xtensor: axes are aligned from the last, and are equal, missing or of length 1; the rows of a table
align with themselves alone.

**Derivatives** are given as the cotangent of each operand, where v is the value and g its cotangent. `chain(g, p)` is
g p, and 0 where either is exactly 0, whatever the other is: a branch of `where` that is not taken, a row that is masked
after use and a residual that vanishes contribute 0 to a gradient, also where the function has no finite derivative.
Derivatives are expressions themselves, so there are second ones.

**Accuracy** is how far a value, and a derivative after the slash, may be from the exact number, in units of the last
place of double precision, on every instruction set.

| function | what it is | cotangents | accuracy | elsewhere |
|---|---|---|---|---|
)";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string cell(std::string_view text) { return replaced(std::string(text), "|", "\\|"); }

std::string code(std::string_view text) { return '`' + replaced(cell(text), "std::", "") + '`'; }

std::string cotangent(const ag::ElementwiseRow& row, std::size_t k) {
  if (!row.has_derivative(k)) return "refused";
  return row.derivative_text[k] == "ALLGRAD_ZERO" ? "0 by design" : code(row.derivative_text[k]);
}

std::string line_of(const ag::ElementwiseRow& row) {
  constexpr std::string_view operands[] = {"x", "x, y", "x, y, z"};
  std::string cotangents;
  for (std::size_t k = 0; k < row.num_operands; ++k) {
    cotangents += fmt::format("{}{}", k == 0 ? "" : ", ", cotangent(row, k));
  }
  const std::string elsewhere = row.peers.empty() ? fmt::format("numpy.{}", row.name) : std::string(row.peers);
  return fmt::format("| `{}({})` | {} | {} | {} / {} | {} |\n", row.name, operands[row.num_operands - 1],
                     cell(row.documentation), cotangents, code(row.value_ulps_text), code(row.derivative_ulps_text),
                     elsewhere);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "expected a page: functions_page PAGE [--write]\n";
    return 2;
  }
  std::string page(head);
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) page += line_of(row);
  if (argc > 2) {
    std::ofstream(argv[1]) << page;
    return 0;
  }
  std::ifstream file(argv[1]);
  const std::string found{std::istreambuf_iterator<char>(file), {}};
  if (found == page) return 0;
  std::cerr << argv[1] << " is not what dsl/operators.def says; run build/tests/functions_page " << argv[1]
            << " --write\n";
  return 1;
}
