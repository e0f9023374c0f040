// FITS files and text that are damaged at random: each is refused, or read where the damage leaves a table.
#include <cstdlib>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
#include "damage.hpp"
#include "fits_test_file.hpp"
#include "said.hpp"

namespace test_file_damage {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

std::size_t number_of_files() {
  const char* wanted = std::getenv("ALLGRAD_DAMAGED_FILES");
  return wanted == nullptr ? 200 : std::stoul(wanted);
}

void check_damaged(const Bytes& valid, const std::string& ending, const std::vector<std::size_t>& regions,
                   const std::vector<ag::ReadOptions>& choices, const std::string& attribute) {
  const ag::Communicator alone(MPI_COMM_SELF);
  const Said said;
  std::size_t reads = 0, refusals = 0;
  for (std::size_t number = 0; number < number_of_files(); ++number) {
    INFO("file " << number << ending);
    Random random(number);
    Bytes bytes = valid;
    damage(bytes, random, regions);
    const std::string path = path_of(std::to_string(number) + ending);
    write_bytes(path, bytes);
    alarm(60);  // ends a reader that does not come back
    for (const ag::ReadOptions& options : choices) {
      const bool read = succeeds([&] {
        const ag::Table table = ag::Table::read(path, alone, options);
        CHECK(table.total_rows() > 0);
      });
      ++(read ? reads : refusals);
    }
    ++(succeeds([&] { ag::read_attribute(path, attribute); }) ? reads : refusals);
    alarm(0);
    std::filesystem::remove(path);
  }
  INFO(reads << " reads, " << refusals << " refusals");
  CHECK(reads >= number_of_files() / 10);
  CHECK(refusals >= number_of_files() / 10);
}

Bytes valid_fits() {
  const std::string path = path_of("valid.fits");
  {
    FitsWriter file(path);
    file.key(TDOUBLE, "BOXSIZE", 250.5);
    file.table(BINARY_TBL, "HALOS", {{"d", "1D", "Mpc"}, {"k", "2K"}, {"l", "1L"}, {"s", "3A"}, {"v", "1PE"}});
    file.write(TDOUBLE, 1, std::vector<double>(50, 1.5));
    file.write(TLONGLONG, 2, std::vector<LONGLONG>(100, 7));
    file.table(ASCII_TBL, "TEXT", {{"x", "D25.17"}, {"i", "I8"}});
    file.write(TDOUBLE, 1, std::vector<double>(20, 0.1));
    file.write(TINT, 2, std::vector<int>(20, 5));
  }
  return taken_bytes(path);
}

Bytes valid_text(const std::string& header) {
  std::string text = header;
  for (int i = 0; i < 200; ++i) text += fmt::format("{},{},\"{}, a\"\n", i, 0.1 * i, i);
  return {text.begin(), text.end()};
}

}  // namespace

TEST_CASE("damaged FITS files are refused or read") {
  const Bytes valid = valid_fits();
  check_damaged(valid, ".fits", {2880, 5760, 8640, valid.size()},
                {{.may_be_nan = {}},
                 {.columns = {"d"}, .may_be_nan = {"d"}, .may_be_infinite = {"d"}},
                 {.hdu = "TEXT", .columns = {"x", "i"}, .may_be_nan = {"x", "i"}, .may_be_infinite = {"x", "i"}},
                 {.hdu = "2", .columns = {"i"}, .may_be_nan = {"i"}}},
                "BOXSIZE");
}

TEST_CASE("damaged text is refused or read") {
  const std::vector<ag::ReadOptions> choices = {
      {}, {.columns = {"a"}, .may_be_nan = {"a"}, .may_be_infinite = {"a"}}, {.columns = {"b", "a"}}};
  check_damaged(valid_text("a,b,c\n"), ".csv", {10, 100, 1000}, choices, "box_size");
  const std::string ecsv =
      "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: a, unit: Mpc, datatype: int64}\n"
      "# - {name: b, datatype: float64}\n# - {name: c, datatype: string}\n# meta: !!omap\n# - {box_size: "
      "250.5}\na,b,c\n";
  check_damaged(valid_text(ecsv), ".ecsv", {100, 300, 4000}, choices, "box_size");
}

}  // namespace test_file_damage
