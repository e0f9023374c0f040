// Rows that point to rows of another table, or of their own: the halo of each galaxy. Values, first and second
// derivatives against plain loops over all rows, on both executors, with rows dealt out unevenly; what is refused.
#include <cmath>
#include <limits>
#include <xtensor/xadapt.hpp>

#include "check_error.hpp"
#include "evaluation.hpp"
#include "world.hpp"

namespace test_two_tables {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;
using ag::Table;

namespace {

/// Halos, and galaxies in some of them, on the ranks of the world: rank 1 has no halos and two galaxies in none, rank 3
/// has halos without galaxies.
struct Sky {
  std::vector<double> mass, light, halo;           // of halos; of galaxies
  std::vector<std::size_t> halos{0}, galaxies{0};  // the first of each rank, and how many there are

  explicit Sky(std::size_t scale, std::uint64_t seed = 1, bool has_orphans = true) {
    for (std::size_t rank = 0; rank < static_cast<std::size_t>(world().size()); ++rank) {
      const std::size_t first = halos.back(), count = rank == 1 ? 0 : (rank + 2) * scale;
      for (std::size_t i = 0; i < count; ++i) mass.push_back(noise(first + i, 0.5, 1.5) + 0.1 * noise(seed));
      std::vector<double> pointed;
      for (std::size_t i = 0; i < count && rank != 3; ++i) {
        for (std::size_t k = 0; k < (first + i + seed) % 3; ++k) pointed.push_back(static_cast<double>(first + i));
      }
      if (rank == 1 && has_orphans) pointed = {-1.0, -1.0};
      halo.insert(halo.end(), pointed.rbegin(), pointed.rend());  // against the order of the halos
      halos.push_back(mass.size());
      galaxies.push_back(halo.size());
    }
    light = noise_column(halo.size(), seed + 5);
  }

  Deal deal_of(const std::vector<std::size_t>& first) const {
    return [first](std::size_t total, int rank, int size) {
      const auto at = static_cast<std::size_t>(rank);
      return size == 1 ? std::pair{std::size_t{0}, total} : std::pair{first[at], first[at + 1]};
    };
  }
  Table halo_table(const ag::Communicator& comm) const { return deal("halos", {{"mass", mass}}, deal_of(halos), comm); }
  Table galaxy_table(const ag::Communicator& comm) const {
    return deal("galaxies", {{"light", light}, {"halo", halo}}, deal_of(galaxies), comm);
  }

  /// This rank's rows, for Table::assign.
  static std::vector<double> own(const std::vector<double>& all, const std::vector<std::size_t>& first) {
    const auto rank = static_cast<std::size_t>(world().rank());
    return {all.begin() + static_cast<std::ptrdiff_t>(first[rank]),
            all.begin() + static_cast<std::ptrdiff_t>(first[rank + 1])};
  }
};

constexpr std::size_t num_params = 4;
const std::vector<double> params_at = {0.7, 0.3, -0.4, 0.9};

/// From halos to galaxies, back, and to galaxies again.
Expr loss_of(const Table& halos, const Table& galaxies, const Expr& p) {
  const Expr halo = galaxies["halo"], light = galaxies["light"], mass = halos["mass"];
  const Expr host = gather(p[0] * mass + p[1], halo);
  const Expr bright = where(halo >= 0.0, exp(p[2] * light) * host, 0.0);
  const Expr richness = log(1.0 + square(segment_sum(bright, halo, halos.rows())) * mass);
  const Expr again = gather(richness, halo);
  return sum(richness * mass) / halos.count() + sum(where(halo >= 0.0, square(again - p[3] * light), 0.0));
}

double plain_loss(const Sky& sky, std::span<const double> p) {
  std::vector<double> richness(sky.mass.size(), 0.0);
  for (std::size_t i = 0; i < sky.halo.size(); ++i) {
    if (sky.halo[i] < 0.0) continue;
    const auto h = static_cast<std::size_t>(sky.halo[i]);
    richness[h] += std::exp(p[2] * sky.light[i]) * (p[0] * sky.mass[h] + p[1]);
  }
  double of_halos = 0.0, of_galaxies = 0.0;
  for (std::size_t h = 0; h < richness.size(); ++h) {
    richness[h] = std::log(1.0 + richness[h] * richness[h] * sky.mass[h]);
    of_halos += richness[h] * sky.mass[h];
  }
  for (std::size_t i = 0; i < sky.halo.size(); ++i) {
    if (sky.halo[i] < 0.0) continue;
    const double difference = richness[static_cast<std::size_t>(sky.halo[i])] - p[3] * sky.light[i];
    of_galaxies += difference * difference;
  }
  return of_halos / static_cast<double>(sky.mass.size()) + of_galaxies;
}

void check_against_loops(ag::CompiledGraph& graph, const Sky& sky) {
  std::vector<double> gradient(num_params), hessian(num_params * num_params);
  const double loss = graph.value_and_gradient(params_at, gradient);
  CHECK(loss == Approx(plain_loss(sky, params_at)).epsilon(1e-12));
  const auto plain = [&](std::span<const double> at) { return plain_loss(sky, at); };
  check_close(numeric_gradient(plain, params_at), gradient, 1e-9);
  graph.value_gradient_and_hessian(params_at, gradient, hessian, ag::Curvature::exact);
  for (std::size_t i = 0; i < num_params; ++i) {
    const auto slope = [&](std::span<const double> at) {
      std::vector<double> by_params(num_params);
      graph.value_and_gradient(at, by_params);
      return by_params[i];
    };
    check_close(numeric_gradient(slope, params_at), std::span(hessian).subspan(i * num_params, num_params), 1e-8);
  }
}

}  // namespace

TEST_CASE("galaxies look into their halos, and halos sum over their galaxies") {
  for (const std::size_t scale : {std::size_t{1}, std::size_t{700}}) {  // one tile, and several
    const Sky sky(scale);
    const Table halos = sky.halo_table(world()), galaxies = sky.galaxy_table(world());
    const Expr p = ag::parameters(num_params), loss = loss_of(halos, galaxies, p);
    for (const ag::ExecutorKind executor : executors) {
      INFO(to_string(executor) << ", " << sky.mass.size() << " halos");
      ag::CompiledGraph graph = compile(loss, p, world(), {executor});
      check_against_loops(graph, sky);
      for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
        const auto by_mode = evaluate_with_gradient(loss, p, params_at, world(), executor, {}, mode);
        const auto plain = [&](std::span<const double> at) { return plain_loss(sky, at); };
        check_close(numeric_gradient(plain, params_at), by_mode.gradient, 1e-9);
      }
    }
  }
}

TEST_CASE("reproducible sums over rows of two tables have the same bits on any number of ranks") {
  const Sky sky(300);
  std::vector<std::vector<double>> results;
  for (const ag::Communicator& comm : {self(), world()}) {
    const Expr p = ag::parameters(num_params);
    const Expr loss = loss_of(sky.halo_table(comm), sky.galaxy_table(comm), p);
    ag::CompiledGraph graph = compile(loss, p, comm, {.reproducible = true});
    std::vector<double> result(num_params);
    result.push_back(graph.value_and_gradient(params_at, std::span(result).first(num_params)));
    results.push_back(std::move(result));
  }
  CHECK(results[0] == results[1]);
}

TEST_CASE("rows with lanes, and several indices in a row") {
  const Sky sky(3);
  const Table halos = sky.halo_table(world()), galaxies = sky.galaxy_table(world());
  const Expr p = ag::parameters(6), mass = halos["mass"], halo = galaxies["halo"], light = galaxies["light"];
  const std::vector<double> at = noise_column(6, 3, 0.5, 1.5);
  const Expr tensor = reshape(mass, {-1, 1, 1}) * reshape(p, {2, 3});       // [halos, 2, 3]
  const Expr pairs = ag::stack({halo, where(light > 0.0, halo, -1.0)}, 1);  // [galaxies, 2]
  const auto there = [&](const Expr& x, const Expr& index) { return where(index >= 0.0, x, 0.0); };
  const Expr taken = there(gather(tensor, halo), reshape(halo, {-1, 1, 1})) * reshape(light, {-1, 1, 1});
  const Expr taken_pairs = there(gather(tensor, pairs), reshape(pairs, {-1, 2, 1, 1}));  // [galaxies, 2, 2, 3]
  std::vector<double> of_taken(6, 0.0), of_pairs(12, 0.0);
  for (std::size_t i = 0; i < sky.halo.size(); ++i) {
    if (sky.halo[i] < 0.0) continue;
    const double m = sky.mass[static_cast<std::size_t>(sky.halo[i])];
    for (std::size_t k = 0; k < 6; ++k) {
      of_taken[k] += m * at[k] * sky.light[i];
      of_pairs[k] += m * at[k];
      if (sky.light[i] > 0.0) of_pairs[6 + k] += m * at[k];
    }
  }
  for (const ag::ExecutorKind executor : executors) {
    INFO(to_string(executor));
    check_close(of_taken, evaluate(sum(taken, 0), p, at, world(), executor), 1e-12);
    check_close(of_pairs, evaluate(sum(taken_pairs, 0), p, at, world(), executor), 1e-12);
    const auto gradient =
        evaluate_with_gradient(sum(taken_pairs * xt::xarray<double>(xt::arange<double>(12).reshape({2, 2, 3}))), p, at,
                               world(), executor)
            .gradient;
    std::vector<double> slope(6);
    for (std::size_t k = 0; k < 6; ++k) {
      const auto weight = static_cast<double>(k);
      slope[k] = (weight * of_pairs[k] + (6.0 + weight) * of_pairs[6 + k]) / at[k];
    }
    check_close(slope, gradient, 1e-12);
  }
}

TEST_CASE("sums with lanes at rows of another table") {
  const Sky sky(3);
  const Table halos = sky.halo_table(world()), galaxies = sky.galaxy_table(world());
  const Expr p = ag::parameters(3), halo = galaxies["halo"], light = galaxies["light"];
  const std::vector<double> at = {0.4, -0.6, 1.1};
  const Expr sums = segment_sum(ag::expand_dims(light, 1) * p, halo, halos.rows());  // [halos, 3]
  CHECK(sums.placement() == ag::Placement::per_row);
  const Expr loss = sum(square(sums) * ag::expand_dims(halos["mass"], 1));
  std::vector<double> lights(sky.mass.size(), 0.0), slope(3, 0.0);
  for (std::size_t i = 0; i < sky.halo.size(); ++i) {
    if (sky.halo[i] >= 0.0) lights[static_cast<std::size_t>(sky.halo[i])] += sky.light[i];
  }
  double expected = 0.0;
  for (std::size_t h = 0; h < lights.size(); ++h) {
    for (std::size_t k = 0; k < 3; ++k) {
      expected += at[k] * at[k] * lights[h] * lights[h] * sky.mass[h];
      slope[k] += 2.0 * at[k] * lights[h] * lights[h] * sky.mass[h];
    }
  }
  for (const ag::ExecutorKind executor : executors) {
    const LossAndGradient result = evaluate_with_gradient(loss, p, at, world(), executor);
    CHECK(result.loss == Approx(expected).epsilon(1e-12));
    check_close(slope, result.gradient, 1e-12);
  }
}

TEST_CASE("rows point to rows of their own table") {
  const Sky sky(400);
  std::vector<double> parent(sky.mass.size());
  for (std::size_t rank = 0; rank + 1 < sky.halos.size(); ++rank) {
    const std::size_t first = sky.halos[rank], count = sky.halos[rank + 1] - first;
    for (std::size_t i = 0; i < count; ++i) parent[first + i] = static_cast<double>(first + (i * 7 + 3) % count);
  }
  const Table halos = deal("halos", {{"mass", sky.mass}, {"parent", parent}}, sky.deal_of(sky.halos), world());
  const Expr p = ag::parameters(2), mass = p[0] * exp(p[1] * halos["mass"]);
  const Expr loss = sum(square(gather(mass, halos["parent"]) - mass)) / halos.count();
  const auto plain = [&](std::span<const double> at) {
    double total = 0.0;
    for (std::size_t i = 0; i < parent.size(); ++i) {
      const double own = at[0] * std::exp(at[1] * sky.mass[i]);
      const double others = at[0] * std::exp(at[1] * sky.mass[static_cast<std::size_t>(parent[i])]);
      total += (others - own) * (others - own);
    }
    return total / static_cast<double>(parent.size());
  };
  const std::vector<double> at = {0.8, 0.6};
  for (const ag::ExecutorKind executor : executors) {
    for (const ag::GradientMode mode : {ag::GradientMode::reverse, ag::GradientMode::forward}) {
      const LossAndGradient result = evaluate_with_gradient(loss, p, at, world(), executor, {}, mode);
      CHECK(result.loss == Approx(plain(at)).epsilon(1e-12));
      check_close(numeric_gradient(plain, at), result.gradient, 1e-9);
    }
  }
}

TEST_CASE("other rows of both tables, and values that are kept, follow") {
  const Sky first(2), second(900, 2);
  Table halos = first.halo_table(world()), galaxies = first.galaxy_table(world());
  const Table with_host =
      galaxies.with_column("host", where(galaxies["halo"] >= 0.0, gather(halos["mass"], galaxies["halo"]), 0.0));
  const Expr p = ag::parameters(num_params);
  const Expr kept = store(gather(square(halos["mass"]), galaxies["halo"]));
  const Expr of_kept = sum(where(galaxies["halo"] >= 0.0, with_host["host"] * kept, 0.0));
  const auto cubes = [](const Sky& sky) {
    double total = 0.0;
    for (const double h : sky.halo) {
      if (h >= 0.0) total += std::pow(sky.mass[static_cast<std::size_t>(h)], 3);
    }
    return total;
  };
  ag::CompiledGraph graph = compile(loss_of(halos, galaxies, p), p, world());
  ag::CompiledGraph of_columns = compile(of_kept * p[0], p, world());
  check_against_loops(graph, first);
  CHECK(of_columns.value(std::vector{1.0, 0.0, 0.0, 0.0}) == Approx(cubes(first)).epsilon(1e-12));
  halos.assign({{"mass", Sky::own(second.mass, second.halos)}});
  galaxies.assign(
      {{"light", Sky::own(second.light, second.galaxies)}, {"halo", Sky::own(second.halo, second.galaxies)}});
  check_against_loops(graph, second);
  CHECK(of_columns.value(std::vector{1.0, 0.0, 0.0, 0.0}) == Approx(cubes(second)).epsilon(1e-12));
}

TEST_CASE("an index that is no row gives NaN, which is named, and is left out of sums") {
  const auto rank = static_cast<double>(world().rank()), last = static_cast<double>(world().size());
  const Table halos("halos", {{"mass", {rank + 1.0}}}, world());
  const std::vector<double> some = {-1.0, rank, std::nan(""), rank + 0.5, last}, none = {-2.0, -1.0, 0.5, last, last};
  const Table galaxies("galaxies", {{"halo", ag::may_be_nan(some)}, {"none", none}}, world());
  const Expr p = ag::parameters(1), index = galaxies["halo"];
  double masses = 0.0;
  for (int i = 0; i < world().size(); ++i) masses += i + 1.0;
  for (const ag::ExecutorKind executor : executors) {
    const Expr taken = gather(halos["mass"] * p[0], index);
    const unsigned line = __LINE__ + 1;
    ag::CompiledGraph bad = compile(sum(gather(halos["mass"] * p[0], galaxies["none"])), p, world(), {executor});
    const auto found = bad.find_nonfinite(std::vector{2.0});
    REQUIRE(found);
    CHECK(found->node == "take_rows");
    CHECK(found->row == 0);
    CHECK(found->where.line == line);
    const Expr count = segment_sum(2.0 * p[0] + 0.0 * isnan(index), index, halos.rows());
    const Expr masked = where(equal(index, floor(index)) && index >= 0.0 && index < last, taken, 0.0);
    ag::CompiledGraph good = compile(sum(masked) + sum(count * halos["mass"]), p, world(), {executor});
    std::vector<double> gradient(1);
    CHECK(good.value_and_gradient(std::vector{2.0}, gradient) == Approx(6.0 * masses));
    CHECK(gradient[0] == Approx(3.0 * masses));
  }
}

TEST_CASE("an index to a row of another rank is an error on all ranks") {
  if (world().size() < 3) return;  // rank 1 has none
  const auto rank = static_cast<std::size_t>(world().rank());
  const std::vector<double> masses(rank == 1 ? 0 : 10, 1.0);
  const Table halos("halos", {{"mass", masses}}, world());
  const double own = rank == 0 ? 3.0 : rank == 1 ? -1.0 : static_cast<double>(halos.first_row());
  const Table galaxies("galaxies", {{"halo", {own, rank == 2 ? 4.0 : own}}, {"light", {1.0, 2.0}}}, world());
  const Expr p = ag::parameters(1);
  for (const ag::ExecutorKind executor : executors) {
    INFO(to_string(executor));
    const auto check = [&](const std::string& function, const auto& build) {
      unsigned line = 0;
      const Expr loss = build(line);
      try {
        ag::CompiledGraph graph = compile(loss, p, world(), {executor});
        graph.value(std::vector{1.0});
        FAIL_CHECK("nothing was thrown");
      } catch (const ag::Error& error) {
        check_parts(error.what(), {ag::SourceLocation{__FILE__, line}.str(),
                                   function + ": row 5 of table \"galaxies\" has the index 4, a row of table \"halos\"",
                                   "rank 2 has rows 10 to 19 of it, rank 0 rows 0 to 9",
                                   "give each rank the rows of \"galaxies\" that point to its own rows of \"halos\""});
      }
      CHECK(compile(sum(halos["mass"]) * p[0], p, world(), {executor}).value(std::vector{1.0}) ==
            static_cast<double>(halos.total_rows()));  // the communicator is as before
    };
    check("gather", [&](unsigned& line) {
      line = __LINE__ + 1;
      const Expr taken = gather(halos["mass"] * p[0], galaxies["halo"]);
      return sum(where(galaxies["halo"] >= 0.0, taken, 0.0));
    });
    check("segment_sum", [&](unsigned& line) {
      line = __LINE__ + 1;
      return sum(square(segment_sum(galaxies["light"] * p[0], galaxies["halo"], halos.rows())));
    });
  }
}

TEST_CASE("what does not fit is refused where it is written") {
  const Table halos("halos", {{"mass", {1.0}}}, self()), galaxies("galaxies", {{"halo", {0.0}}}, self());
  const Expr mass = halos["mass"], halo = galaxies["halo"], p = ag::parameters(3);
  check_error<ag::ExpressionError>({"gather([rows], [3]): expected", "an index per row [rows]"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    gather(mass, p);
  });
  check_error<ag::ExpressionError>({"gather([3, rows], [rows]): expected", "take(v, index, axis)"},
                                   [&](unsigned& line) {
                                     line = __LINE__ + 1;
                                     gather(ag::expand_dims(p, 1) * mass, halo);
                                   });
  check_error<ag::ExpressionError>(
      {"segment_sum([3]): expected values per row", "\"halos\"", "segment_sum(x, index, n)"}, [&](unsigned& line) {
        line = __LINE__ + 1;
        segment_sum(p, xt::xarray<double>{0.0, 0.0, 1.0}, halos.rows());
      });
}

TEST_CASE("a gradient through rows of two tables can be checked, drawn, dumped and explained") {
  const Sky sky(2, 1, false);  // operations by themselves are NaN where a galaxy has no halo
  const Table halos = sky.halo_table(world()), galaxies = sky.galaxy_table(world());
  const Expr p = ag::parameters(num_params), loss = loss_of(halos, galaxies, p);
  CHECK(check_gradient(loss, p, params_at, world()).passed);
  ag::CompiledGraph graph = compile(loss, p, world());
  const std::string text = graph.explain(params_at);
  for (const char* part : {"keep_rows", "take_rows", "scatter_rows", "of halos", "of galaxies",
                           "for values of rows that rows of other sweeps look into or add to"}) {
    INFO(text);
    CHECK(text.find(part) != std::string::npos);
  }
}

}  // namespace test_two_tables
