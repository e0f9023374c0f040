// A model of each kind of step, compiled for all that a model is asked: tests/dump.py looks at the stages.
#include <fmt/format.h>

#include "allgrad/allgrad.hpp"

namespace ag = allgrad;

namespace {

class Model final : public ag::OnePointModel {
 public:
  explicit Model(const ag::Table& halos) : OnePointModel(halos.communicator()), halos_(halos) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const ag::Expr noise = ag::random::normal(randkey(), {halos_.rows()});
    return sum(exp(-square(edges_ - expand_dims(halos_["log_mass"] + params[0] * noise, 1))) * params[1], 0);
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& sumstats) const override {
    return {mean(square(log10(sumstats.value) - log10(ag::constant(2.0)))), {{"loss", sum(sumstats.value)}}};
  }

 private:
  ag::Table halos_;
  xt::xarray<double> edges_ = {0.1, 0.2, 0.4};
};

}  // namespace

int main(int argc, char** argv) {
  return ag::run(argc, argv, [](const ag::Communicator& world) {
    const xt::xarray<double> row = xt::arange(4 * world.rank(), 4 * world.rank() + 4);
    Model model(ag::Table("halos", {{"log_mass", 0.1 * row}}, world));
    const auto [loss, gradient] = model.calc_loss_and_grad_from_params({0.3, 1.2}, 42);
    const ag::ParamValues params = {0.3, 1.2};
    const auto frozen = ag::Params{{.name = "a", .guess = 0.3, .frozen = true}, {.name = "b", .guess = 1.2}};
    model.run_adam(frozen, {.nsteps = 2, .randkey = 42});
    model.rebuild();
    model.calc_loss_from_params(params, 42);
    if (world.is_root()) fmt::print("{} {} {} {}\n", loss.value, loss.aux["loss"](), gradient(0), gradient(1));
  });
}
