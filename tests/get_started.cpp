#include <fmt/format.h>

#include <allgrad/allgrad.hpp>

namespace ag = allgrad;

class Decay final : public ag::OnePointModel {
 public:
  explicit Decay(const ag::Table& measured) : OnePointModel(measured.communicator()), measured_(measured) {}

  ag::Params params() const override {
    return {{.name = "background", .guess = 0.0},
            {.name = "height", .guess = 1.0, .bounds = {.low = 0.0}},
            {.name = "lifetime", .guess = 1.0, .bounds = {.low = 0.1}}};
  }

  // What is summed over all rows: here chi-squared itself.
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    const auto expected = p["background"] + p["height"] * exp(-measured_["time"] / p["lifetime"]);  // [rows]
    return sum(square((measured_["light"] - expected) / measured_["error"]));                       // []
  }

  // What is to be smallest, as a function of these sums.
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& chi2) const override { return chi2.value; }

 private:
  ag::Table measured_;
};

int main(int argc, char** argv) {
  return ag::run(argc, argv, [](const ag::Communicator& world) {
    const auto measured = ag::Table::read("decay.csv", world);
    Decay model(measured);
    const auto fit = model.run_trust_region(model.params());
    const auto covariance = model.calc_covariance(fit.x, {.errordef = 1.0, .params = model.params()});
    if (world.is_root()) fmt::print("{}\n\n{}\n\n{}\n", measured, fit, covariance);
  });
}
