// Parts of a communicator, and sums over ranks of plain numbers.
#include "allgrad/subcomms.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>
#include <xtensor/xbuilder.hpp>

#include "check_error.hpp"
#include "world.hpp"

namespace test_subcomms {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// Ranks of the world in this rank's group, in order.
std::vector<std::uint64_t> members(const ag::Communicator& subcomm) {
  return subcomm.allgather(static_cast<std::uint64_t>(world().rank()));
}

std::vector<std::uint64_t> range(int first, int last) {
  std::vector<std::uint64_t> result(static_cast<std::size_t>(last - first));
  std::iota(result.begin(), result.end(), static_cast<std::uint64_t>(first));
  return result;
}

}  // namespace

TEST_CASE("num_groups splits ranks as evenly as can be, in order") {
  for (int groups = 1; groups <= world().size(); ++groups) {
    const auto [subcomm, num_groups, group_rank] = ag::split_subcomms({.num_groups = groups});
    CHECK(num_groups == groups);
    const int small = world().size() / groups, larger = world().size() % groups;
    const auto start = [&](int group) { return group * small + std::min(group, larger); };
    CHECK(members(subcomm) == range(start(group_rank), start(group_rank + 1)));
    CHECK(world().rank() >= start(group_rank));
    CHECK(world().rank() < start(group_rank + 1));
  }
}

TEST_CASE("ranks_per_group gives the sizes") {
  const int rest = world().size() - 1;
  const std::vector<int> sizes = rest > 0 ? std::vector{rest, 1} : std::vector{1};
  const auto [subcomm, num_groups, group_rank] = ag::split_subcomms({.ranks_per_group = sizes});
  CHECK(num_groups == static_cast<int>(sizes.size()));
  CHECK(subcomm.size() == sizes[static_cast<std::size_t>(group_rank)]);
  CHECK(group_rank == (rest > 0 && world().rank() == rest ? 1 : 0));
}

TEST_CASE("a part can be split again") {
  const auto outer = ag::split_subcomms({.num_groups = std::min(2, world().size())});
  const auto inner = ag::split_subcomms({.num_groups = outer.subcomm.size()}, outer.subcomm);
  CHECK(inner.subcomm.size() == 1);
  CHECK(inner.group_rank == outer.subcomm.rank());
}

TEST_CASE("ranks of one node are one group") {
  const auto [subcomm, num_groups, group_rank] = ag::split_subcomms_by_node();  // the tests run on one machine
  CHECK(num_groups == 1);
  CHECK(group_rank == 0);
  CHECK(members(subcomm) == range(0, world().size()));
}

TEST_CASE("a split that cannot be is refused on every rank") {
  const int size = world().size();
  check_error<ag::ArgumentError>({fmt::format("from 1 to {} groups", size), fmt::format("num_groups = {}", size + 1)},
                                 [&](unsigned& line) {
                                   line = __LINE__ + 1;
                                   ag::split_subcomms({.num_groups = size + 1});
                                 });
  check_error<ag::ArgumentError>({"add up to", fmt::format("got [{}, 1]", size), fmt::format("together {}", size + 1)},
                                 [&](unsigned& line) {
                                   line = __LINE__ + 1;
                                   ag::split_subcomms({.ranks_per_group = {size, 1}});
                                 });
  check_error<ag::ArgumentError>({"at least 1 each"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::split_subcomms({.ranks_per_group = {size + 1, -1}});
  });
  check_error<ag::ArgumentError>({"got neither", ".num_groups = 2"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::split_subcomms({});
  });
  check_error<ag::ArgumentError>({"got both"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::split_subcomms({.num_groups = 1, .ranks_per_group = {size}});
  });
}

TEST_CASE("ranks that ask for different groups are told so") {
  if (world().size() == 1) return;
  check_error<ag::DivergenceError>({"these differ: groups"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::split_subcomms({.num_groups = world().rank() == 0 ? 1 : 2});
  });
}

TEST_CASE("reduce_sum of numbers and arrays, to all or to one") {
  const int rank = world().rank(), size = world().size();
  const int total = size * (size + 1) / 2;
  CHECK(ag::reduce_sum(rank + 1) == total);
  CHECK(ag::reduce_sum(0.5 * (rank + 1)) == 0.5 * total);

  const xt::xarray<double> own = {{1.0 * (rank + 1), 2.0}, {3.0, -1.0 * (rank + 1)}};
  const xt::xarray<double> sum = ag::reduce_sum(own);
  const xt::xarray<double> expected = {{1.0 * total, 2.0 * size}, {3.0 * size, -1.0 * total}};
  CHECK((sum == expected));
  const xt::xarray<double> sum_of_more = ag::reduce_sum(own + 1.0);
  CHECK((sum_of_more == sum + 1.0 * size));

  CHECK(ag::reduce_sum(2000000000) == 2000000000LL * size);
  CHECK(ag::reduce_sum(rank == 0) == 1);
  CHECK(ag::reduce_sum(true) == size);

  const int root = size - 1;
  const std::optional<std::int64_t> on_root = ag::reduce_sum(rank + 1, root);
  CHECK(on_root.has_value() == (rank == root));
  if (on_root) CHECK(*on_root == total);
  const std::optional<ag::Array> array = ag::reduce_sum(own, root);
  CHECK(array.has_value() == (rank == root));
  if (array) CHECK((*array == sum));

  const auto subcomm = ag::split_subcomms({.num_groups = size}).subcomm;
  CHECK(ag::reduce_sum(rank + 1, subcomm) == rank + 1);
}

TEST_CASE("reduce_sum refuses what has no sum") {
  const int size = world().size();
  check_error<ag::ArgumentError>({fmt::format("root from 0 to {}", size - 1), fmt::format("got {}", size)},
                                 [&](unsigned& line) {
                                   line = __LINE__ + 1;
                                   ag::reduce_sum(1.0, size);
                                 });
  if (size == 1) return;
  check_error<ag::DivergenceError>({"of shape [", "these differ: shape"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::reduce_sum(xt::xarray<double>(xt::ones<double>({2 + world().rank()})));
  });
  check_error<ag::DivergenceError>({"to root", "these differ: root"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::reduce_sum(1.0, world().rank() == 0 ? 0 : 1);
  });
  CHECK(ag::reduce_sum(1) == size);
}

}  // namespace test_subcomms
