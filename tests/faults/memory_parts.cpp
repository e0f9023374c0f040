#include "memory_parts.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "../fits_test_file.hpp"
#include "../hdf5_test_file.hpp"
#include "memory_models.hpp"

namespace memory {

using namespace allgrad::testing;

std::string file_of(const char* name) {
  static const std::uint64_t number = world().allgather(static_cast<std::uint64_t>(getpid()))[0];
  return (std::filesystem::temp_directory_path() / fmt::format("allgrad_{}_{}", name, number)).string();
}

namespace {

/// A file of this rank's, gone with this object.
struct OwnFile {
  explicit OwnFile(const std::string& name) : path((std::filesystem::temp_directory_path() / name).string()) {}
  ~OwnFile() { std::filesystem::remove(path); }
  std::string path;
};

/// Communicators, tables and files.
std::vector<Part> table_parts() {
  return {
      {"reduce_sum",
       [](const ag::Communicator& comm) -> Action {
         const xt::xarray<double> doubles = xt::ones<double>({7, 10});
         const xt::xarray<int> integers = xt::ones<int>({3});
         return [=] {
           Numbers numbers{ag::reduce_sum(0.5, comm), static_cast<double>(ag::reduce_sum(1234567890123456, comm))};
           append(numbers, ag::reduce_sum(doubles, comm));
           append(numbers, ag::reduce_sum(integers, comm));
           if (const auto sum = ag::reduce_sum(doubles, 1, comm)) append(numbers, *sum);
           return numbers;
         };
       }},
      {"messages",
       [](const ag::Communicator& comm) -> Action {
         const std::string text(100, 'a');
         const std::vector<std::uint64_t> same(100, 3);
         return [=] {
           Numbers numbers;
           append(numbers, comm.allgather(static_cast<std::uint64_t>(comm.rank())));
           numbers.push_back(static_cast<double>(comm.broadcast(text, 1).size()));
           numbers.push_back(static_cast<double>(comm.first_difference(same)));
           comm.synchronize();
           numbers.push_back(comm.guarded([] { return std::vector(5, 2.0); })[0]);
           return numbers;
         };
       }},
      {"split",
       [](const ag::Communicator& comm) -> Action {
         const ag::SplitOptions halves{.num_groups = 2};
         return [=] {
           const ag::Subcomm half = ag::split_subcomms(halves, comm);
           const ag::Subcomm node = ag::split_subcomms_by_node(comm);
           const ag::Communicator copy(comm.handle());
           return Numbers{static_cast<double>(half.group_rank), static_cast<double>(half.subcomm.size()),
                          static_cast<double>(node.subcomm.size()), static_cast<double>(copy.rank())};
         };
       }},
      {"table",
       [](const ag::Communicator& comm) -> Action {
         const std::function<ag::Table::Columns()> load = columns;
         return [=] {
           const ag::Table table("halos", load, comm);
           return Numbers{static_cast<double>(table.total_rows()), static_cast<double>(table.first_row())};
         };
       }},
      {"table from a file",
       [](const ag::Communicator& comm) -> Action {
         static const auto file = std::make_shared<TestFile>(static_cast<std::uint64_t>(getpid()));
         static const std::string path = [] {
           file->write("x", std::vector{1.0, 2.0, 3.0});
           file->write("image", std::vector(4, 1.0), {2, 2});
           return world().broadcast(file->path(), 0);
         }();
         return [=] {
           const ag::Table table = ag::Table::read(path, comm);
           return Numbers{static_cast<double>(table.total_rows()), static_cast<double>(table.first_row())};
         };
       }},
      {"table from text",
       [](const ag::Communicator& comm) -> Action {
         static const auto file = std::make_shared<OwnFile>(fmt::format("allgrad_memory_{}.ecsv", getpid()));
         static const std::string path = [] {
           std::ofstream(file->path) << "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: x, unit: Mpc, datatype: float64}\n"
                                        "# - {name: pair, datatype: string, subtype: 'int64[2]'}\n"
                                        "x pair\n1.5 \"[1,2]\"\n2.5 [3,4]\n3.5 [5,6]\n";
           return world().broadcast(file->path, 0);
         }();
         return [=] {
           const auto keep = [](const ag::Row& row) { return row["x"] > 2.0; };
           const ag::Table table = ag::Table::read(path, comm, {.where = keep});
           return Numbers{static_cast<double>(table.total_rows()), static_cast<double>(table.first_row())};
         };
       }},
      {"table from FITS",
       [](const ag::Communicator& comm) -> Action {
         static const auto file = std::make_shared<OwnFile>(fmt::format("allgrad_memory_{}.fits", getpid()));
         static const std::string path = [] {
           {
             FitsWriter writer(file->path);
             writer.table(BINARY_TBL, "HALOS", {{"x", "1D", "Mpc"}, {"pair", "2K"}, {"name", "4A"}});
             writer.write(TDOUBLE, 1, std::vector{1.0, 2.0, 3.0});
           }
           return world().broadcast(file->path, 0);
         }();
         return [=] {
           const ag::Table table = ag::Table::read(path, comm);
           return Numbers{static_cast<double>(table.total_rows()), static_cast<double>(table.first_row())};
         };
       }},
      {"outer product",
       [](const ag::Communicator& comm) -> Action {
         const ag::Table table("halos", columns(), comm);
         const std::function<ag::Expr(const ag::Expr&)> rows = [=](const ag::Expr& p) {
           return p[0] * table["x"] - table["y"];
         };
         const ag::ParamValues params{0.5};
         return [=] {
           const ag::OuterProduct product = ag::calc_outer_product(rows, params, comm);
           return Numbers{product.jtj(0, 0), product.jtr(0), product.rtr};
         };
       }},
      {"rows",
       [](const ag::Communicator& comm) -> Action {
         const auto table = std::make_shared<ag::Table>("halos", columns(), comm);
         const std::function<ag::Table::Columns()> load = columns;
         const ag::Expr twice = 2.0 * ag::store(exp((*table)["x"]));
         const ag::Expr total = sum(twice, 0);
         return [=] {
           const ag::Table more = table->with_column("z", twice);
           const ag::Table few = more.where(comm.attempt([&] { return more["z"] < 4.0; }));
           table->assign(load);
           return Numbers{static_cast<double>(few.total_rows()), ag::evaluate(total, comm)()};
         };
       }},
      {"rows on their way",
       [](const ag::Communicator& comm) -> Action {
         const ag::Table table("halos", columns(), comm);
         const ag::Expr twice = 2.0 * table["x"];
         const ag::Table::Columns all = comm.is_root() ? columns() : ag::Table::Columns{};
         return [=] {
           Numbers numbers;
           append(numbers, ag::gather_rows(twice));
           const ag::Table dealt = ag::Table::scatter("dealt", all, comm);
           numbers.push_back(static_cast<double>(dealt.first_row()));
           return numbers;
         };
       }},
      {"streamed rows",
       [](const ag::Communicator& comm) -> Action {
         static const auto file = std::make_shared<TestFile>(static_cast<std::uint64_t>(getpid()) + 1000000);
         static const std::string path = [] {
           file->write("x", std::vector(5000, 0.5));
           return world().broadcast(file->path(), 0);
         }();
         return [=] {
           const ag::Table table = ag::Table::read(path, comm, {.stream = 1000});
           const ag::Expr params = comm.attempt([] { return ag::parameters(1); });
           const ag::Expr loss = comm.attempt([&] { return square(sum(params[0] * table["x"], 0)); });
           ag::CompiledGraph graph = ag::compile(loss, params, comm);
           double param = 2.0, gradient = 0.0;
           return Numbers{graph.value_and_gradient({&param, 1}, {&gradient, 1}), gradient};
         };
       }},
      {"ranks that do not do the same",
       [](const ag::Communicator& comm) -> Action {
         return [=] {
           if (comm.is_root()) return Numbers{ag::reduce_sum(1.0, comm)};
           comm.synchronize();
           return Numbers{};
         };
       },
       true},
      {"a failure on the other rank",
       [](const ag::Communicator& comm) -> Action {
         return [=] {
           return Numbers{comm.guarded([&]() -> double { throw ag::DataError(fmt::format("rank {}", comm.rank())); })};
         };
       },
       true},
  };
}

}  // namespace

const std::vector<Part>& parts() {
  static const std::vector<Part> all = [] {
    std::vector<Part> list = table_parts();
    for (const std::vector<Part>& more : {model_parts(), fit_parts()})
      list.insert(list.end(), more.begin(), more.end());
    return list;
  }();
  return all;
}

}  // namespace memory
