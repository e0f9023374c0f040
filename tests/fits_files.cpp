// Tables from FITS files, which CFITSIO writes here.
#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "fits_test_file.hpp"
#include "said.hpp"
#include "shared_file.hpp"
#include "world.hpp"

namespace test_fits_files {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Table;

namespace {

using Numbers = std::vector<double>;

constexpr std::size_t rows = 2000;

template <class T, class F>
std::vector<T> made(std::size_t count, F value) {
  std::vector<T> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<T>(value(i)));
  return values;
}

double real(std::size_t i) {
  return std::sin(static_cast<double>(i)) * std::pow(10.0, static_cast<double>(i % 600) - 300);
}

/// An image, a binary table HALOS of all types and a small table of text, TEXT.
void write_all(const std::string& path) {
  FitsWriter file(path);
  file.key(TDOUBLE, "BOXSIZE", 250.5);
  file.table(BINARY_TBL, "HALOS",
             {{"d", "1D", "Mpc/h"},
              {"e", "1E", "mag"},
              {"b", "1B"},
              {"i", "1I"},
              {"j", "1J"},
              {"k", "1K"},
              {"s8", "1S"},
              {"u16", "1U"},
              {"u32", "1V"},
              {"u64", "1W"},
              {"name", "8A"},
              {"flag", "1L"},
              {"pos", "3D", "km/s"},
              {"matrix", "6E"},
              {"bits", "11X"},
              {"scaled", "1I"},
              {"list", "1PD(3)"}});
  fits_write_key_str(file.get(), "TDIM14", "(3,2)", nullptr, &file.status());
  file.key(TDOUBLE, "TSCAL16", 0.5);
  file.key(TDOUBLE, "TZERO16", 10.0);
  file.write(TDOUBLE, 1, made<double>(rows, real));
  file.write(TFLOAT, 2, made<float>(rows, [](std::size_t i) { return 0.1 * static_cast<double>(i); }));
  file.write(TBYTE, 3, made<unsigned char>(rows, [](std::size_t i) { return i % 256; }));
  file.write(TSHORT, 4, made<short>(rows, [](std::size_t i) { return static_cast<int>(i) - 1000; }));
  file.write(TINT, 5, made<int>(rows, [](std::size_t i) { return INT32_MIN + static_cast<int>(i); }));
  file.write(TLONGLONG, 6, made<LONGLONG>(rows, [](std::size_t i) { return (LONGLONG{1} << 53) - LONGLONG(i); }));
  file.write(TSBYTE, 7, made<signed char>(rows, [](std::size_t i) { return static_cast<int>(i % 256) - 128; }));
  file.write(TUSHORT, 8, made<unsigned short>(rows, [](std::size_t i) { return 65535 - i; }));
  file.write(TUINT, 9, made<unsigned>(rows, [](std::size_t i) { return UINT32_MAX - i; }));
  file.write(TULONGLONG, 10, made<ULONGLONG>(rows, [](std::size_t i) { return (ULONGLONG{1} << 63) + 4096 * i; }));
  file.write(TLOGICAL, 12, made<char>(rows, [](std::size_t i) { return i % 3 == 0; }));
  file.write(TDOUBLE, 13, made<double>(3 * rows, real));
  file.write(TFLOAT, 14, made<float>(6 * rows, [](std::size_t i) { return i; }));
  for (std::size_t row = 0; row < rows; ++row) {  // all at once, CFITSIO writes too few of 11
    auto bits = made<char>(11, [&](std::size_t i) { return (11 * row + i) % 5 == 0; });
    fits_write_col(file.get(), TBIT, 15, static_cast<LONGLONG>(row + 1), 1, 11, bits.data(), &file.status());
  }
  file.write(TDOUBLE, 16, made<double>(rows, [](std::size_t i) { return 10.0 + 0.5 * static_cast<double>(i); }));
  file.table(ASCII_TBL, "TEXT", {{"x", "D25.17", "Mpc"}, {"i", "I8"}, {"f", "F8.3"}, {"s", "A4"}});
  file.write(TDOUBLE, 1, Numbers{0.1, -1.7976931348623157e308, 5e-300});
  file.write(TINT, 2, std::vector<int>{1, -2, 30000000});
  file.write(TDOUBLE, 3, Numbers{1.5, -2.25, 3.125});
}

/// Small columns with values of all kinds that are missing: by TNULL, NaN and a byte 0.
void write_missing(const std::string& path) {
  FitsWriter file(path);
  file.table(BINARY_TBL, "NULLS", {{"j", "1J"}, {"e", "1E"}, {"l", "1L"}, {"whole", "1K"}});
  file.key(TLONGLONG, "TNULL1", LONGLONG{-99});
  file.write(TINT, 1, std::vector<int>{1, -99, 3});
  file.write(TFLOAT, 2, std::vector<float>{1.5F, std::numeric_limits<float>::quiet_NaN(), 2.5F});
  file.write(TLOGICAL, 3, std::vector<char>{1, 0, 1});
  fits_write_col_null(file.get(), 3, 3, 1, 1, &file.status());
  file.write(TLONGLONG, 4, std::vector<LONGLONG>{1, 2, (LONGLONG{1} << 53) + 1});
}

void check_refused(const std::string& path, const std::vector<std::string>& parts,
                   const ag::ReadOptions& options = {}) {
  std::string message;
  try {
    Table::read(path, world(), options);
  } catch (const ag::Error& error) {
    message = error.what();
  }
  REQUIRE_FALSE(message.empty());
  check_parts(message, parts);
}

template <class F>
void check_column(const Table& table, const std::string& name, std::size_t count, F expected) {
  const Numbers numbers = all_numbers(table, name);
  INFO(name);
  REQUIRE(numbers.size() == count);
  for (std::size_t i = 0; i < count; ++i) {
    if (numbers[i] != static_cast<double>(expected(i))) {
      INFO(i);
      REQUIRE(numbers[i] == static_cast<double>(expected(i)));
    }
  }
}

}  // namespace

TEST_CASE("columns of all types of a binary table, with units and shapes") {
  const SharedFile file(".fits", write_all);
  const Said said;
  const Table table = Table::read(file.path(), world());
  CHECK(table.total_rows() == rows);
  CHECK(
      table.str().ends_with("columns d in Mpc/h, e in mag, b, i, j, k, s8, u16, u32, u64, flag, pos [rows, 3] in "
                            "km/s, matrix [rows, 2, 3], bits [rows, 11], scaled"));
  check_column(table, "d", rows, real);
  check_column(table, "e", rows, [](std::size_t i) { return static_cast<float>(0.1 * static_cast<double>(i)); });
  check_column(table, "b", rows, [](std::size_t i) { return i % 256; });
  check_column(table, "i", rows, [](std::size_t i) { return static_cast<int>(i) - 1000; });
  check_column(table, "j", rows, [](std::size_t i) { return INT32_MIN + static_cast<int>(i); });
  check_column(table, "k", rows, [](std::size_t i) { return (std::int64_t{1} << 53) - static_cast<std::int64_t>(i); });
  check_column(table, "s8", rows, [](std::size_t i) { return static_cast<int>(i % 256) - 128; });
  check_column(table, "u16", rows, [](std::size_t i) { return 65535 - i; });
  check_column(table, "u32", rows, [](std::size_t i) { return UINT32_MAX - i; });
  check_column(table, "u64", rows, [](std::size_t i) { return (std::uint64_t{1} << 63) + 4096 * i; });
  check_column(table, "flag", rows, [](std::size_t i) { return i % 3 == 0; });
  check_column(table, "pos", 3 * rows, real);
  check_column(table, "matrix", 6 * rows, [](std::size_t i) { return i; });
  check_column(table, "bits", 11 * rows, [](std::size_t i) { return i % 5 == 0; });
  check_column(table, "scaled", rows, [](std::size_t i) { return 10.0 + 0.5 * static_cast<double>(i); });
  if (world().is_root()) check_parts(said.warnings.at(0), {"\"name\" (TFORM 8A)", "\"list\" (TFORM 1PD(3)"});
}

TEST_CASE("an HDU is chosen by its name or number, columns by their names") {
  const SharedFile file(".fits", write_all);
  const Table table = Table::read(file.path(), world(), {.columns = {"pos", "d"}});
  CHECK(table.column_names() == std::vector<std::string>{"pos", "d"});
  for (const std::string hdu : {"TEXT", "2"}) {
    const Said said;
    const Table text = Table::read(file.path(), world(), {.hdu = hdu});
    CHECK(text.str().ends_with("3 rows on " + std::to_string(world().size()) +
                               (world().size() == 1 ? " rank" : " ranks") + ", columns x in Mpc, i, f"));
    CHECK(all_numbers(text, "x") == Numbers{0.1, -1.7976931348623157e308, 5e-300});
    CHECK(all_numbers(text, "i") == Numbers{1.0, -2.0, 30000000.0});
    CHECK(all_numbers(text, "f") == Numbers{1.5, -2.25, 3.125});
  }
  check_refused(file.path(), {"HDU \"GALAXIES\"", "0 (image), 1 HALOS (table), 2 TEXT (table)"}, {.hdu = "GALAXIES"});
  check_refused(file.path(), {"HDU \"7\""}, {.hdu = "7"});
  check_refused(file.path(), {"HDU \"0\"", "to be a table, but it is an image"}, {.hdu = "0"});
  check_refused(file.path(), {"expected a column \"y\"", "d, e, b, i,"}, {.columns = {"y"}});
  check_refused(file.path(), {"column \"name\"", "TFORM 8A"}, {.columns = {"name"}});
  check_refused(file.path(), {"column \"list\"", "as many in each row"}, {.columns = {"list"}});
}

TEST_CASE("the rows of a FITS table are streamed too") {
  constexpr std::size_t many = 5003;
  const SharedFile file(".fits", [](const std::string& path) {
    FitsWriter writer(path);
    writer.table(BINARY_TBL, "HALOS", {{"x", "1D", "Mpc"}, {"pos", "3E", "km/s"}, {"n", "1J"}});
    writer.write(TDOUBLE, 1, made<double>(many, [](std::size_t i) { return std::sin(static_cast<double>(i)); }));
    writer.write(TFLOAT, 2, made<float>(3 * many, [](std::size_t i) { return std::cos(static_cast<double>(i)); }));
    writer.write(TINT, 3, made<int>(many, [](std::size_t i) { return i % 7; }));
  });
  const Table in_memory = Table::read(file.path(), world());
  const Table streamed = Table::read(file.path(), world(), {.stream = 1024});
  CHECK(streamed.unit("pos") == "km/s");
  check_parts(streamed.str(), {"read in blocks of 1024", "pos [rows, 3] in km/s"});
  const auto loss_of = [](const Table& table) {
    const ag::Expr p = ag::parameters(2);
    const ag::Expr loss = sum(exp(table["x"] * p[0]) * table["n"]) + sum(square(table["pos"] - p[1]));
    return compile(loss, p, world()).value(std::vector{0.3, -0.7});
  };
  CHECK(loss_of(streamed) == loss_of(in_memory));
}

TEST_CASE("a FITS file that is compressed as a whole is read as if it were not") {
  const SharedFile plain(".fits", write_all), packed(".fits.gz", write_all);
  CHECK(std::filesystem::file_size(packed.path()) < std::filesystem::file_size(plain.path()));
  const Said said;
  const Table expected = Table::read(plain.path(), world()), table = Table::read(packed.path(), world());
  CHECK(table.column_names() == expected.column_names());
  CHECK(table.local_rows() == expected.local_rows());
  for (const std::string& name : expected.column_names()) {
    INFO(name);
    const bool same = all_numbers(table, name) == all_numbers(expected, name);
    CHECK(same);
  }
  CHECK(all_numbers(Table::read(packed.path(), world(), {.hdu = "TEXT"}), "f") == Numbers{1.5, -2.25, 3.125});
  CHECK(ag::read_attribute(packed.path(), "BOXSIZE") == 250.5);
  check_refused(packed.path(), {"block by block", "ReadOptions::stream", "compressed", "gunzip"}, {.stream = 1024});
}

TEST_CASE("a compressed FITS file that is damaged is refused") {
  const auto damaged = [](const std::function<void(const std::string&)>& damage) {
    return std::make_unique<SharedFile>(".fits.gz", [&](const std::string& path) {
      write_all(path);
      damage(path);
    });
  };
  const auto cut = damaged([](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    auto end = static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
    while (file.seekg(end - 1).get() != 0) --end;  // CFITSIO takes the last four bytes for the size, here a small one
    std::filesystem::resize_file(path, static_cast<std::uintmax_t>(end));
  });
  check_refused(cut->path(), {"written in full, but it claims 2000 rows and the file holds", "gunzip"});
  const auto changed = damaged([](const std::string& path) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) / 2)).write("\0\0\0\0\0\0\0\0", 8);
  });
  check_refused(changed->path(), {"expected a FITS file", "CFITSIO cannot open it"});
  const SharedText begun("\x1f\x8b\x08", ".fits.gz"), other("\x1f\x8b\x08", ".csv.gz");
  check_refused(begun.path(), {"expected a FITS file", "CFITSIO cannot open it"});
  check_refused(other.path(), {"it is compressed", "gunzip", ".fits.gz"});
}

TEST_CASE("a table that is compressed tile by tile is refused with what unpacks it") {
  const SharedFile tiled(".fits", [](const std::string& path) {
    FitsWriter plain("mem://"), file(path);
    plain.table(BINARY_TBL, "HALOS", {{"x", "1D"}});
    plain.write(TDOUBLE, 1, made<double>(rows, real));
    fits_flush_file(plain.get(), &file.status());
    fits_compress_table(plain.get(), file.get(), &file.status());
  });
  check_refused(tiled.path(), {"tile by tile (ZTABLE)", "funpack"});
}

TEST_CASE("of two FITS columns of one name none is taken silently") {
  const SharedFile file(".fits", [](const std::string& path) {
    FitsWriter writer(path);
    writer.table(BINARY_TBL, "HALOS", {{"d", "1D"}, {"x", "1D"}, {"d", "1E"}, {"x", "4A"}});
    writer.write(TDOUBLE, 1, Numbers{1.0, 2.0});
    writer.write(TDOUBLE, 2, Numbers{3.0, 4.0});
  });
  const std::vector<std::string> said = {"expected one column \"d\"", "columns 1 and 3 have that name",
                                         "ReadOptions::columns"};
  check_refused(file.path(), said);
  check_refused(file.path(), said, {.columns = {"d"}});
  check_refused(file.path(), {"columns 2 and 4"}, {.columns = {"x"}});
}

TEST_CASE("keywords are attributes") {
  const SharedFile file(".fits", write_all);
  CHECK(ag::read_attribute(file.path(), "BOXSIZE") == 250.5);
  CHECK(ag::read_attribute(file.path(), "TFIELDS") == 17.0);
  CHECK(ag::read_attribute(file.path(), "TEXT/NAXIS2") == 3.0);
  CHECK(ag::read_attribute(file.path(), "EXTEND") == 1.0);
  check_error<ag::DataError>({"expected a keyword 'OMEGA_M'"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::read_attribute(file.path(), "OMEGA_M");
  });
  CHECK_THROWS_AS(ag::read_attribute(file.path(), "HALOS/EXTNAME"), ag::DataError);
  const SharedFile images(".fits", [](const std::string& path) {
    FitsWriter writer(path);
    writer.key(TDOUBLE, "BOXSIZE", 100.0);
    fits_create_img(writer.get(), BYTE_IMG, 0, nullptr, &writer.status());
  });
  CHECK(ag::read_attribute(images.path(), "BOXSIZE") == 100.0);
  check_error<ag::DataError>({"expected a keyword 'OMEGA_M'", "HDUs 0 (image), 1 (image)"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::read_attribute(images.path(), "OMEGA_M");
  });
}

TEST_CASE("what is missing is NaN, where that is declared; integers are exact or refused") {
  const SharedFile file(".fits", write_missing);
  const Table table = Table::read(file.path(), world(), {.columns = {"j", "e", "l"}, .may_be_nan = {"j", "e", "l"}});
  for (const auto& [name, row] : {std::pair{"j", 1}, std::pair{"e", 1}, std::pair{"l", 2}}) {
    INFO(name);
    const Numbers numbers = all_numbers(table, name);
    for (int i = 0; i < 3; ++i) CHECK(std::isnan(numbers[static_cast<std::size_t>(i)]) == (i == row));
  }
  check_refused(file.path(), {"column \"j\" has NaN"}, {.columns = {"j"}});
  check_refused(file.path(), {"row 2, counted from 0, column \"whole\"", "got 9007199254740993"},
                {.columns = {"whole"}});
}

TEST_CASE("a file that is cut short, or has no table, is refused") {
  const SharedFile cut(".fits", [](const std::string& path) {
    write_all(path);
    std::filesystem::resize_file(path, 100000);
  });
  check_refused(cut.path(), {"written in full, but it claims 2000 rows and the file holds"});
  const SharedFile header(".fits", [](const std::string& path) {
    write_all(path);
    std::filesystem::resize_file(path, 5000);
  });
  check_refused(header.path(), {"expected a table in"});
  const SharedFile image(".fits", [](const std::string& path) { const FitsWriter file(path); });
  check_refused(image.path(), {"expected a table in", "it has 0 (image)"});
  const SharedText text("x,y\n1,2\n", ".fits");
  check_refused(text.path(), {"expected a FITS file", "CFITSIO cannot open it"});
}

}  // namespace test_fits_files
