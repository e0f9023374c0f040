#include <fmt/format.h>
#include <fmt/ranges.h>

#include "allgrad/error.hpp"
#include "allgrad/one_point_model.hpp"
#include "comm/call.hpp"
#include "uncertainty/positive_definite.hpp"

namespace allgrad {

namespace {

[[noreturn]] void refuse_fisher(const std::string& expected, const std::string& got, SourceLocation where) {
  throw ArgumentError(fmt::format("calc_fisher: expected {}, got {}", expected, got), where);
}

/// C^-1, as a factor of J; C holds covariances, or variances alone.
Eigen::MatrixXd weighted(const Eigen::MatrixXd& jacobian, const Array& covariance, SourceLocation where) {
  const auto n = static_cast<std::size_t>(jacobian.rows());
  const auto size = jacobian.rows();
  if (covariance.dimension() == 1 && covariance.size() == n) {
    const Eigen::Map<const Eigen::VectorXd> variances(covariance.data(), size);
    if (!(variances.array() > 0.0).all())
      refuse_fisher("variances above 0", fmt::format("{}", variances.minCoeff()), where);
    return variances.cwiseInverse().asDiagonal() * jacobian;
  }
  if (covariance.dimension() != 2 || covariance.shape(0) != n || covariance.shape(1) != n) {
    refuse_fisher(fmt::format("covariances [{0}, {0}] or variances [{0}] of the {0} statistics", n),
                  fmt::format("an array of shape [{}]; give them in the order of the statistics",
                              fmt::join(covariance.shape(), ", ")),
                  where);
  }
  const Eigen::Map<const RowMajorMatrix> matrix(covariance.data(), size, size);
  if (!((matrix - matrix.transpose()).cwiseAbs().maxCoeff() <= 1e-9 * matrix.cwiseAbs().maxCoeff())) {
    refuse_fisher("covariances that are a symmetric matrix", "one that is not", where);
  }
  const auto inverse = positive_inverse(symmetric({covariance.data(), n * n}, n));
  if (!inverse) {
    refuse_fisher("covariances that are positive definite",
                  "some that are not; from few samples they are not, use their variances then", where);
  }
  return *inverse * jacobian;
}

}  // namespace

xt::xtensor<double, 2> OnePointModel::calc_fisher(const ParamValues& params, const Array& sumstats_covariance,
                                                  const std::optional<Key>& randkey, SourceLocation where) {
  return in_call("calc_fisher", where, communicator(), [&] {
    const Array derivatives = calc_sumstats_and_jacobian(params, randkey, where).second;
    return communicator().guarded(
        [&] {
          const std::size_t n = params.size();
          const auto columns = static_cast<Eigen::Index>(n);
          const Eigen::Map<const RowMajorMatrix> jacobian(derivatives.data(),
                                                          static_cast<Eigen::Index>(derivatives.size() / n), columns);
          auto fisher = xt::xtensor<double, 2>::from_shape({n, n});
          Eigen::Map<RowMajorMatrix>(fisher.data(), columns, columns) =
              jacobian.transpose() * weighted(jacobian, sumstats_covariance, where);
          return fisher;
        },
        Operation("the end of a Fisher matrix", where));
  });
}

}  // namespace allgrad
