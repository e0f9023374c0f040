// functions_page SOURCE PAGE [--write]: compares docs/functions.md with the table of operators and the documentation in
// the public headers, or writes it.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "dsl/elementwise.hpp"

namespace ag = allgrad;

namespace {

constexpr std::string_view head =
    R"(# Functions of expressions

Made from `dsl/operators.def` and the headers in `include/allgrad` by `build/tests/functions_page . docs/functions.md --write`.

Each operand is an `Expr`, a number or an xtensor expression. Shapes are those of xtensor and NumPy; `[rows]` is the row
axis of a table. **Derivatives** are expressions themselves, so there are second ones. What is exactly 0 on the way to a
gradient contributes 0, whatever it is multiplied by: a branch of `where` that is not taken, a row that is masked after
use, and a residual that vanishes, also where a function has no finite derivative.

## Elementwise

Each applies to every element of its operands x, y, z after broadcasting: axes are aligned from the last, and are equal,
missing or of length 1; the rows of a table align with themselves alone. The result has the shape to which they broadcast.

**Cotangents** are those of each operand, where v is the value and g its cotangent. `chain(g, p)` is g p, but 0 where
either is exactly 0, whatever the other is. **Accuracy** is how far a value, and a derivative after the slash, may
be from the exact number, in units of the last place of double precision, on every instruction set.

| function | what it is | formula | cotangents | accuracy | in Python |
|---|---|---|---|---|---|
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
  const std::string peers = row.peers.empty() ? fmt::format("numpy.{}", row.name) : std::string(row.peers);
  return fmt::format("| `{}({})` | {} | {} | {} | {} / {} | {} |\n", row.name, operands[row.num_operands - 1],
                     cell(row.documentation), code(row.value_text), cotangents, code(row.value_ulps_text),
                     code(row.derivative_ulps_text), peers);
}

/// A function of expressions, as a header declares it.
struct Declared {
  std::string signature, documentation, peer;
};

/// What a header declares, under its first comment of several lines in the namespace.
struct Header {
  std::string name, introduction;
  std::vector<Declared> functions;
};

/// The name in Python: what the documentation says, else that of `library`.
Declared declared(const std::string& signature, std::string documentation, const std::string& library) {
  static const std::regex says(" ?In Python: (.*)\\.$");
  const std::string name = signature.substr(0, signature.find('('));
  std::smatch found;
  if (!std::regex_search(documentation, found, says)) return {signature, documentation, library + "." + name};
  const std::string peer = found[1];
  return {signature, documentation.substr(0, static_cast<std::size_t>(found.position())), peer};
}

/// Joins lines of a declaration up to its end, without types and what is there for the line of the caller.
std::string declaration(std::string line, std::istream& file) {
  for (std::string next; line.find(';') == std::string::npos && std::getline(file, next);) {
    line += ' ' + next.substr(next.find_first_not_of(' '));
  }
  line = replaced(line, ", SourceLocation where = SourceLocation::current()", "");
  static const std::regex parameter("(const )?[A-Za-z_:]+&? ([a-z_0-9]+)");
  return std::regex_replace(line.substr(5, line.find(';') - 5), parameter, "$2");  // without "Expr "
}

Header read_header(const std::filesystem::path& path) {
  static const std::regex function("^Expr [a-z_0-9]+\\((const (Operand|Expr|Parts|Name|KeyOperand)&|std::string_view).*");
  std::ifstream file(path);
  Header header{path.filename().string(), "", {}};
  std::string documentation, library = "numpy";
  bool is_within = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("namespace allgrad")) is_within = true;
    if (line.starts_with("namespace allgrad::random")) library = "jax.random";
    if (is_within && line.starts_with("// ") && header.functions.empty()) header.introduction += line.substr(2);
    if (line.starts_with("///")) {
      documentation += line.substr(3);
      continue;
    }
    if (std::regex_match(line, function)) {
      const std::string text = documentation.empty() ? header.functions.back().documentation : documentation.substr(1);
      header.functions.push_back(declared(declaration(line, file), text, library));
    }
    documentation.clear();
  }
  return header;
}

std::string page(const std::filesystem::path& source) {
  std::string text(head);
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) text += line_of(row);
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(source / "include/allgrad")) {
    if (entry.path().extension() == ".hpp") paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  for (const std::filesystem::path& path : paths) {
    const Header header = read_header(path);
    if (header.functions.empty()) continue;
    text += fmt::format("\n## {}\n\n", header.name);
    if (!header.introduction.empty()) text += header.introduction.substr(1) + "\n\n";
    text += "| function | what it is | in Python |\n|---|---|---|\n";
    for (const Declared& each : header.functions) {
      text += fmt::format("| {} | {} | {} |\n", code(each.signature), cell(each.documentation), cell(each.peer));
    }
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "expected the source tree and a page: functions_page SOURCE PAGE [--write]\n";
    return 2;
  }
  const std::string expected = page(argv[1]);
  if (argc > 3) {
    std::ofstream(argv[2]) << expected;
    return 0;
  }
  std::ifstream file(argv[2]);
  const std::string found{std::istreambuf_iterator<char>(file), {}};
  if (found == expected) return 0;
  std::cerr << argv[2] << " is not what dsl/operators.def and include/allgrad say; in the source tree, run\n"
            << "build/tests/functions_page . docs/functions.md --write\n";
  return 1;
}
