#include "reference_models.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace allgrad::testing {

Json read_json(const std::string& name) {
  const char* folder = std::getenv("ALLGRAD_TEST_DATA");
  std::ifstream file(std::string(folder == nullptr ? "tests/data" : folder) + "/" + name);
  return Json::parse(file);
}

std::pair<std::size_t, std::size_t> all_on_first(std::size_t total, int rank, int) {
  return rank == 0 ? std::pair{std::size_t{0}, total} : std::pair{total, total};
}

std::pair<std::size_t, std::size_t> first_is_empty(std::size_t total, int rank, int size) {
  if (size == 1) return {0, total};
  const auto part = [&](int r) { return total * static_cast<std::size_t>(r - 1) / static_cast<std::size_t>(size - 1); };
  return rank == 0 ? std::pair{std::size_t{0}, std::size_t{0}} : std::pair{part(rank), part(rank + 1)};
}

std::pair<std::size_t, std::size_t> uneven(std::size_t total, int rank, int size) {
  const auto begin = [&](int r) {
    return total * static_cast<std::size_t>(r * (r + 1)) / static_cast<std::size_t>(size * (size + 1));
  };
  return {begin(rank), begin(rank + 1)};
}

std::pair<std::size_t, std::size_t> one_and_eleven(std::size_t total, int rank, int size) {
  const std::size_t starts[] = {0, std::min<std::size_t>(1, total), std::min<std::size_t>(12, total), total};
  const auto start = [&](int r) { return r >= size ? total : starts[std::min(r, 3)]; };
  return {start(rank), start(rank + 1)};
}

Table make_table(const Json& entry, Split split, const Communicator& comm) {
  return Table(
      "catalogue",
      [&] {
        Table::Columns columns;
        for (const auto& [name, values] : entry.at("rows").items()) {
          const auto [first, last] = split(values.size(), comm.rank(), comm.size());
          const auto all = values.get<std::vector<double>>();
          const auto at = [&](std::size_t row) { return all.begin() + static_cast<std::ptrdiff_t>(row); };
          columns.emplace_back(name, std::vector<double>(at(first), at(last)));
        }
        return columns;
      },
      comm);
}

}  // namespace allgrad::testing
