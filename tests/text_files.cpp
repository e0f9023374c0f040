// Tables from CSV, text in columns and ECSV.
#include <cmath>
#include <limits>
#include <random>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "said.hpp"
#include "shared_file.hpp"
#include "world.hpp"

namespace test_text_files {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Table;

namespace {

using Numbers = std::vector<double>;

Table read(const std::string& text, const ag::ReadOptions& options = {}, const std::string& ending = ".csv") {
  const SharedText file(text, ending);
  return Table::read(file.path(), world(), options);
}

/// Checks that the text is refused on all ranks with these parts in the message, on one of the ranks' behalf.
void check_refused(const std::string& text, const std::vector<std::string>& parts,
                   const ag::ReadOptions& options = {}) {
  const SharedText file(text);
  std::string message;
  try {
    Table::read(file.path(), world(), options);
  } catch (const ag::DataError& error) {
    message = error.what();
  } catch (const ag::RankError& error) {
    message = error.what();
  }
  REQUIRE_FALSE(message.empty());
  check_parts(message, parts);
}

/// Doubles of all magnitudes, among them the largest, the smallest and those with most digits.
Numbers all_kinds_of_doubles(std::size_t count) {
  std::mt19937_64 random(7);
  Numbers numbers = {5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, 0.1, -0.0, 9007199254740993.0, 1e23};
  while (numbers.size() < count) {
    const double number = std::bit_cast<double>(random());
    if (std::isfinite(number)) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

TEST_CASE("a CSV file is a table, to the bit, on any number of ranks") {
  const Numbers x = all_kinds_of_doubles(1000);
  std::string text = "x,row,name\n";
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i % 7 == 3) text += i % 2 == 0 ? "# a comment, with \"quotes\n" : "   \n";
    text += fmt::format("{},{},\"halo \"\"{}\"\", a\"\n", x[i], i, i);
  }
  const Said said;
  const Table table = read(text);
  CHECK(table.column_names() == std::vector<std::string>{"x", "row"});
  CHECK(table.total_rows() == x.size());
  CHECK(table.local_rows() == ag::share_of_rows(x.size(), world()).count());
  CHECK(table.first_row() == ag::share_of_rows(x.size(), world()).first);
  const Numbers read_back = all_numbers(table, "x");
  REQUIRE(read_back.size() == x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    INFO(x[i]);
    REQUIRE(std::bit_cast<std::uint64_t>(read_back[i]) == std::bit_cast<std::uint64_t>(x[i]));
  }
  const Numbers rows = all_numbers(table, "row");
  for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(rows[i] == static_cast<double>(i));
  if (!world().is_root()) return;
  REQUIRE(said.warnings.size() == 1);
  check_parts(said.warnings[0], {"\"name\" (\"halo \"\"0\"\", a\" in the first row)"});
}

TEST_CASE("fewer rows than ranks, no end of the last line, ends of lines as Windows has them, a byte order mark") {
  CHECK(all_numbers(read("x\n1"), "x") == Numbers{1.0});
  CHECK(all_numbers(read("\xef\xbb\xbfx,y\r\n1,2\r\n\r\n3,4\r\n"), "y") == Numbers{2.0, 4.0});
  CHECK(all_numbers(read("x\n# none\n\n5\n# none"), "x") == Numbers{5.0});
}

TEST_CASE("delimiters are commas, semicolons, tabs, or any number of spaces") {
  CHECK(all_numbers(read("a;b\n1;2\n"), "b") == Numbers{2.0});
  CHECK(all_numbers(read("a\tb\n1\t\n3\t4\n", {.columns = {"a"}}), "a") == Numbers{1.0, 3.0});
  CHECK(all_numbers(read("  a   b\n 1  \t 2   # of the first\n3 4\n", {}, ".txt"), "b") == Numbers{2.0, 4.0});
  CHECK(all_numbers(read("a, \"b, c\" \n 1 , 2 \n"), "b, c") == Numbers{2.0});
}

TEST_CASE("names stand on the first line, in a comment above the rows, or are numbered") {
  CHECK(read("# Rows of halos\n# mass radius\n1 2\n3 4\n").column_names() ==
        std::vector<std::string>{"mass", "radius"});
  CHECK(read("# Rows of three halos\n1 2\n3 4\n").column_names() == std::vector<std::string>{"col1", "col2"});
  CHECK(read("1,2\n3,4\n").total_rows() == 2);
  const Table table = read("mass [Msun / h],radius[kpc],\"z\"\n1,2,3\n");
  CHECK(table.column_names() == std::vector<std::string>{"mass", "radius[kpc]", "z"});
  CHECK(table.unit("mass") == "Msun / h");
  CHECK(table.unit("z").empty());
}

TEST_CASE("numbers are written as C, Fortran and Python write them") {
  const double infinity = std::numeric_limits<double>::infinity();
  const Table table = read(
      "x\n+1.5\n1D2\n-1.e-3\n.5\nTrue\nfalse\ninf\n-Infinity\n1e-400\n-1e-5000\n5e-324\n"
      "123456789012345678901234567890e0\n",
      {.may_be_infinite = {"x"}});
  const Numbers numbers = all_numbers(table, "x");
  CHECK(numbers == Numbers{1.5, 100.0, -1e-3, 0.5, 1.0, 0.0, infinity, -infinity, 0.0, -0.0, 5e-324,
                           123456789012345678901234567890.0});
  CHECK((!std::signbit(numbers.at(8)) && std::signbit(numbers.at(9))));
}

TEST_CASE("columns are chosen by name, in any order") {
  const Table table = read("a,b,c\n1,x,3\n4,y,6\n", {.columns = {"c", "a"}});
  CHECK(table.column_names() == std::vector<std::string>{"c", "a"});
  CHECK(all_numbers(table, "c") == Numbers{3.0, 6.0});
  check_refused("a,b\n1,2\n", {"expected a column \"c\"", "it has a, b; name one"}, {.columns = {"c"}});
  check_refused("a,s\n1,x\n", {"expected column \"s\"", "it has none (\"x\" in the first row)"}, {.columns = {"s"}});
}

TEST_CASE("of two columns of one name none is taken silently") {
  check_refused("a,b,a\n1,2,3\n", {"expected one column \"a\"", "columns 1 and 3 have that name", "its own"});
  check_refused("a,b,a\n1,2,3\n", {"expected one column \"a\"", "columns 1 and 3"}, {.columns = {"b", "a"}});
  CHECK(all_numbers(read("a,b,a\n1,2,3\n", {.columns = {"b"}}), "b") == Numbers{2.0});
  CHECK(all_numbers(read("a,b,a\n1,2,x\n"), "a") == Numbers{1.0});  // the other has no numbers, which is said
  check_refused(
      "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\n# - {name: a, datatype: int64}\na a\n1 2\n",
      {"expected one column \"a\"", "columns 1 and 2"});
}

TEST_CASE("missing values are NaN where that is declared, and are refused with their place otherwise") {
  const std::string text = "x,y\n1,2\n,4\nNA,6\n7,8\n";
  const Table table = read(text, {.may_be_nan = {"x"}});
  const Numbers x = all_numbers(table, "x");
  REQUIRE(x.size() == 4);
  CHECK((x[0] == 1.0 && std::isnan(x[1]) && std::isnan(x[2]) && x[3] == 7.0));
  CHECK(all_numbers(table, "y") == Numbers{2.0, 4.0, 6.0, 8.0});
  check_refused("x,y\n1,2\n,4\n", {"line 3, column 1: expected a number of column \"x\", got none", "may_be_nan"});
  check_refused("x\nnan\n", {"column \"x\" has NaN"});
}

TEST_CASE("what is no table is refused with the line and the column") {
  check_refused("x,y\n1,2\n3,four\n5,6\n", {"line 3, column 3: in column \"y\": expected a number, got \"four\""});
  check_refused("x,y\n1,2\n# c\n\n3\n", {"line 5, column 1: expected 2 fields, one for each column, got 1"});
  check_refused("x,y\n1,2\n3,4,5\n", {"line 3", "expected 2 fields", "got 3", "put it in quotes"});
  check_refused("x,s\n1,\"a\n2,b\n", {"line 2, column 3: expected a quote that ends"});
  check_refused("x,s\n1,\"a\"b\n", {"line 2, column 6: expected the end of the field behind its quotes"});
  check_refused("x\n1\n1e400\n", {"line 3, column 1", "expected a number that double can hold, got \"1e400\""});
  check_refused("s,t\na,b\n", {"expected columns of numbers", "\"s\" (\"a\" in the first row)"});
  check_refused("# nothing\n", {"line 1: expected names of columns and rows, got neither"});
  check_refused("x\n", {"expected rows on one rank at least"});
}

namespace {

/// Rows of a number, a text in quotes or not, and the number of the row, with comments among them; x are the numbers.
std::string rows_with_texts(std::uint64_t seed, std::size_t count, char delimiter, Numbers& x) {
  const std::string pieces[] = {"\n",      "\r\n", "\"\"", "\n\n",    ",",  " ", "\n# none", "1,2,3\n",
                                "\n,\"\"", "é",    "#",    "\n1;2;3", "\t", "a", "\"\"\n"};
  std::mt19937_64 random(seed);
  const std::string space = delimiter == ',' && seed % 2 == 0 ? "  " : "";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    if (random() % 5 == 0) text += random() % 2 == 0 ? "# 5\" of comment\n" : " \n";
    x.push_back(static_cast<double>(random() % 1000) / 8.0);
    std::string name;
    for (std::size_t length = random() % (random() % 8 == 0 ? 200 : 6); length > 0; --length) {
      name += pieces[random() % std::size(pieces)];
    }
    const std::string field = random() % 4 == 0 ? "5\"a\"" : space + "\"" + name + "\"" + space;
    text +=
        fmt::format("{}{}{}{}{}{}{}", x.back(), delimiter, field, delimiter, i,
                    delimiter == ' ' && random() % 3 == 0 ? " # 5\" behind" : "", random() % 3 == 0 ? "\r\n" : "\n");
  }
  return text;
}

}  // namespace

TEST_CASE("texts in quotes have ends of lines in them, wherever the parts of the ranks begin") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const char delimiter = ",; \t"[seed % 4];
    Numbers x;
    const std::string rows = rows_with_texts(seed, 1 + seed / 3, delimiter, x);
    const Table table =
        read(fmt::format("x{0}\"name\n of it\"{0}row\n{1}", delimiter, rows), {.columns = {"x", "row"}});
    INFO(seed << "\n" << rows);
    CHECK(all_numbers(table, "x") == x);
    CHECK(table.total_rows() == x.size());
  }
}

TEST_CASE("many rows with texts over several lines are found by what the ranks counted") {
  Numbers x;
  const std::string rows = rows_with_texts(7, 60000, ',', x);
  const Table table = read("x,name,row\n" + rows, {.columns = {"x", "row"}});
  const bool same = all_numbers(table, "x") == x;
  CHECK(same);
  const Numbers row = all_numbers(table, "row");
  REQUIRE(row.size() == x.size());
  for (std::size_t i = 0; i < row.size(); ++i) REQUIRE(row[i] == static_cast<double>(i));
}

TEST_CASE("what is wrong behind a text over several lines is told with the line and the column") {
  check_refused("s,x\n\"a\nb\",1\n\"c\nd\",four\n", {"line 5, column 4: in column \"x\"", "got \"four\""});
  check_refused("s,x\n\"a\n\nb\",1\n2\n", {"line 5, column 1: expected 2 fields"});
  check_refused("s,x\na,1\n\"b\n\",2\n\"\"\"c,\n,3\n",
                {"line 5, column 1: expected a quote that ends", "end of the file"});
  check_refused("\"s\n\"t,x\n1,2\n", {"line 2: column 2: expected the end of the field"});
}

TEST_CASE("text is not streamed") {
  check_refused("x,y\n1,2\n", {"an HDF5 or FITS file", "ReadOptions::stream", "which is text"}, {.stream = 2000});
}

TEST_CASE("integers that double cannot hold are refused in text too") {
  check_refused("id\n1\n9007199254740993\n",
                {"line 3, column 1: in column \"id\"", "got 9007199254740993", "would become 9007199254740992"});
  check_refused("id\n-18446744073709551615\n", {"-18446744073709551615"});
  const Table table = read("id\n9007199254740994\n-9223372036854775808\n000000000000000000001\n");
  CHECK(all_numbers(table, "id") == Numbers{9007199254740994.0, -9223372036854775808.0, 1.0});
}

namespace {

// As astropy 7 writes it.
const std::string ecsv = R"(# %ECSV 1.0
# ---
# delimiter: ','
# datatype:
# - {name: r, unit: Mpc / h, datatype: float64, description: 'comoving, of course'}
# - {name: name, datatype: string}
# - {name: 'flag', datatype: bool}
# - {name: z, datatype: float32}
# - {name: pos, unit: mag, datatype: string, subtype: 'float64[2,2]'}
# - {name: spectrum, datatype: string, subtype: 'float64[null]'}
# meta: !!omap
# - {box_size: 250.5}
# - simulation: {h: 0.6774, name: mock}
# schema: astropy-2.0
r,name,flag,z,pos,spectrum
1.5,"a, b",True,0.1,"[[1.0,2.0],[3.0,null]]","[1.0]"
2.5,c,False,0.2,"[[5.0, 6.0], [7.0, NaN]]","[1.0,2.0]"
)";

}  // namespace

TEST_CASE("ECSV tells units, types, arrays in rows and metadata") {
  const Said said;
  const SharedText file(ecsv, ".ecsv");
  const Table table = Table::read(file.path(), world(), {.may_be_nan = {"pos"}});
  CHECK(table.str().ends_with("columns r in Mpc / h, flag, z, pos [rows, 2, 2] in mag"));
  CHECK(all_numbers(table, "flag") == Numbers{1.0, 0.0});
  CHECK(all_numbers(table, "z") == Numbers{0.1F, 0.2F});
  const Numbers pos = all_numbers(table, "pos");
  REQUIRE(pos.size() == 8);
  CHECK(Numbers(pos.begin(), pos.begin() + 3) == Numbers{1.0, 2.0, 3.0});
  CHECK(Numbers(pos.begin() + 4, pos.begin() + 7) == Numbers{5.0, 6.0, 7.0});
  CHECK((std::isnan(pos[3]) && std::isnan(pos[7])));
  CHECK(ag::read_attribute(file.path(), "box_size") == 250.5);
  CHECK(ag::read_attribute(file.path(), "simulation/h") == 0.6774);
  for (const std::string name : {"h", "simulation", "simulation/name", "simulation/h/x"}) {
    INFO(name);
    CHECK_THROWS_AS(ag::read_attribute(file.path(), name), ag::DataError);
  }
  if (world().is_root())
    check_parts(said.warnings.at(0), {"\"name\" (of type string)", "\"spectrum\" (of type string, float64[null])"});
}

TEST_CASE("an ECSV file with a damaged header or another shape in a row is refused") {
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  check_refused(replaced(ecsv, "{name: r,", "{name: r:"), {"header of an ECSV file", "line"});
  check_refused(replaced(ecsv, "datatype:\n", "types:\n"), {"no list of columns"});
  check_refused(replaced(ecsv, "r,name,", "R,name,"), {"line of names has others"});
  check_refused(replaced(ecsv, "[3.0,null]", "[3.0]"), {"line 16", "in column \"pos\"", "shape [2, 2]"},
                {.may_be_nan = {"pos"}});
  check_refused(replaced(ecsv, "3.0,null", "3.0,x"), {"expected a number, got \"x\""}, {.may_be_nan = {"pos"}});
}

}  // namespace test_text_files
