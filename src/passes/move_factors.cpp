#include "passes/move_factors.hpp"

#include <cmath>
#include <optional>

#include "allgrad/elementwise.hpp"
#include "dsl/constant.hpp"
#include "dsl/elementwise.hpp"
#include "dsl/reshape.hpp"
#include "dsl/slice.hpp"
#include "dsl/sum.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"
#include "passes/product.hpp"

namespace allgrad {

namespace {

const Expr& operand(const Expr& expr, std::size_t k) { return expr.node()->operands[k]; }

bool is_per_row(const Expr& expr) { return expr.placement() == Placement::per_row; }

std::optional<Kernel> kernel_of(const Expr& expr) {
  const auto* op = as<Elementwise>(expr);
  return op == nullptr ? std::nullopt : std::optional(op->kernel());
}

bool is_a_product(std::optional<Kernel> kernel) {
  return kernel == Kernel::multiply || kernel == Kernel::safe_multiply;
}

/// Which operand of a product or quotient per row varies along fewer axes than the result; nothing where none does.
std::optional<std::size_t> factor_of(const Expr& expr) {
  for (const std::size_t k : {1U, 0U}) {
    if (operand(expr, k).placement() == Placement::replicated) return k;
  }
  const std::size_t lanes = num_lanes(expr.shape());
  for (const std::size_t k : {1U, 0U}) {
    const Expr& other = operand(expr, 1 - k);
    const bool is_smaller = is_per_row(operand(expr, k)) && num_lanes(operand(expr, k).shape()) < lanes;
    if (is_smaller && is_per_row(other) && num_lanes(other.shape()) == lanes) return k;
  }
  return std::nullopt;
}

bool is_zero(const Expr& expr) {
  const auto number = uniform_value(expr);
  return number && *number == 0.0 && !std::signbit(*number);
}

/// The shape with length 1 along all axes but the row axis.
Shape with_one_lane(Shape shape) {
  for (Extent& extent : shape) {
    if (!extent.is_rows()) extent = Extent(1);
  }
  return shape;
}

/// What the pass knows of a graph before it changes it.
class Plan {
 public:
  explicit Plan(const std::vector<Expr>& order, const std::vector<Expr>& outputs) {
    for (const Expr& expr : order) {
      if (is_per_row(expr)) scales_[expr.node()] = scale_of(expr);
    }
    for (const Expr& output : outputs) need(output, true, true);
    for (auto expr = order.rbegin(); expr != order.rend(); ++expr) {
      for (std::size_t k = 0; k < expr->node()->operands.size(); ++k) {
        if (!is_per_row(operand(*expr, k))) continue;
        // One whole product takes the factors with it at the cost of the whole operand, a second one does not.
        const bool again = is_in_whole_product(*expr) && !in_product_.insert(operand(*expr, k).node());
        need(operand(*expr, k), again || needs_whole(*expr, k), shows_zeros(*expr, k));
      }
    }
  }

  /// True where a value is used as such, so that there is nothing to gain from its factors.
  bool is_whole(const Expr& expr) const { return whole_.contains(expr.node()); }

  /// True where the sign of a zero can be seen: not where all of its uses are products that are summed.
  bool shows_zeros(const Expr& expr) const { return zeros_.contains(expr.node()); }

  /// True for a sum or difference whose terms share a power of 2 that can leave it.
  bool has_common_scale(const Expr& expr) const {
    const auto kernel = kernel_of(expr);
    if (kernel != Kernel::add && kernel != Kernel::subtract) return false;
    if (!is_per_row(operand(expr, 0)) || !is_per_row(operand(expr, 1))) return false;
    const double x = scales_.at(operand(expr, 0).node()), y = scales_.at(operand(expr, 1).node());
    return x == y && x != 1.0 && (x > 0.0 || kernel == Kernel::subtract);
  }

 private:
  /// A power of 2 that multiplies the value per row.
  double scale_of(const Expr& expr) const {
    const auto scale = [&](std::size_t k) { return scales_.at(operand(expr, k).node()); };
    if (as<Reshape>(expr) != nullptr || as<SliceAxis>(expr) != nullptr) return scale(0);
    if (has_common_scale(expr)) return std::abs(scale(0));
    if (kernel_of(expr) == Kernel::neg) return -scale(0);
    if (kernel_of(expr) != Kernel::multiply) return 1.0;
    for (const std::size_t k : {0U, 1U}) {
      const auto number = uniform_value(operand(expr, k));
      if (number && is_power_of_2(*number * scale(1 - k))) return *number * scale(1 - k);
    }
    return 1.0;
  }

  void need(const Expr& expr, bool whole, bool zeros) {
    if (whole) whole_.insert(expr.node());
    if (zeros) zeros_.insert(expr.node());
  }

  bool needs_whole(const Expr& expr, std::size_t k) const {
    if (as<Sum>(expr) != nullptr) return false;
    if (as<Reshape>(expr) != nullptr || as<SliceAxis>(expr) != nullptr) return is_whole(expr);
    switch (kernel_of(expr).value_or(Kernel::copy)) {
      case Kernel::neg: return false;
      case Kernel::square: return is_whole(expr);
      case Kernel::multiply:
      case Kernel::safe_multiply:
      case Kernel::divide: {
        const auto factor = factor_of(expr);
        return factor && k == *factor;
      }
      case Kernel::where: return k != 1 || !is_zero(operand(expr, 2)) || is_whole(expr);
      case Kernel::add:
      case Kernel::subtract: return !has_common_scale(expr) || is_whole(expr);
      default: return true;
    }
  }

  /// True for a product or quotient of values along all axes that is used as such.
  bool is_in_whole_product(const Expr& expr) const {
    const auto kernel = kernel_of(expr);
    return is_whole(expr) && (is_a_product(kernel) || kernel == Kernel::divide) && !factor_of(expr);
  }

  bool shows_zeros(const Expr& expr, std::size_t k) const {
    if (as<Sum>(expr) != nullptr) return false;
    if (as<Reshape>(expr) != nullptr || as<SliceAxis>(expr) != nullptr) return shows_zeros(expr) || is_whole(expr);
    const auto kernel = kernel_of(expr);
    const bool is_product = is_a_product(kernel) || kernel == Kernel::neg || (kernel == Kernel::divide && k == 0);
    return !is_product || shows_zeros(expr) || is_whole(expr);
  }

  NodeMap<double> scales_;
  NodeSet whole_, zeros_, in_product_;
};

/// Builds the graph anew, values per row as products.
class FactorMover {
 public:
  explicit FactorMover(const std::vector<Expr>& outputs) : order_(topological_order(outputs)), plan_(order_, outputs) {
    for (const Expr& expr : order_) {
      const NodeOrigin origin(expr.node()->where, expr.node()->backward);
      Product product = product_of_node(expr);
      const bool is_whole = !is_per_row(expr) || plan_.is_whole(expr) || (product.is_sum && plan_.shows_zeros(expr));
      if (is_whole || product.is_core()) values_.emplace(expr.node(), value_of(product));
      if (!product.is_core()) (is_whole ? factored_ : products_).emplace(expr.node(), std::move(product));
    }
  }

  /// What stands for a node.
  Expr value(const Expr& expr) {
    const auto found = values_.find(expr.node());
    if (found != values_.end()) return found->second;
    const NodeOrigin origin(expr.node()->where, expr.node()->backward);
    return values_.emplace(expr.node(), value_of(products_.at(expr.node()))).first->second;
  }

 private:
  /// Operand k as a product. Where the operand is computed as a whole and the node ends in sums, factors are taken out
  /// all the same: what is left is computed anyway, and sums of it need not wait for them.
  Product product(const Expr& expr, std::size_t k) const {
    const Node* node = operand(expr, k).node();
    const auto found = products_.find(node);
    if (found != products_.end()) return found->second;
    const auto factored = factored_.find(node);
    const bool ends_in_sums = as<Sum>(expr) != nullptr || !plan_.shows_zeros(expr);
    const bool takes_factors = ends_in_sums && factored != factored_.end() && factored->second.row.empty() &&
                               !is_reciprocal(factored->second.core);
    return takes_factors ? factored->second : product_of(values_.at(node));
  }

  Product product_of_node(const Expr& expr) {
    if (const auto* sum = as<Sum>(expr); sum != nullptr && is_per_row(operand(expr, 0))) {
      return summed(product(expr, 0), sum->axes(), expr.shape());
    }
    if (!is_per_row(expr)) return unchanged(expr);
    if (as<Reshape>(expr) != nullptr || as<SliceAxis>(expr) != nullptr) return reshaped_product(expr);
    switch (kernel_of(expr).value_or(Kernel::copy)) {
      case Kernel::neg: return negative(product(expr, 0));
      case Kernel::square: return plan_.is_whole(expr) ? unchanged(expr) : squared(product(expr, 0));
      case Kernel::multiply: return product_or_quotient(expr, Meeting::product);
      case Kernel::safe_multiply: return product_or_quotient(expr, Meeting::safe_product);
      case Kernel::divide: return product_or_quotient(expr, Meeting::quotient);
      case Kernel::where:
        return is_zero(operand(expr, 2)) && is_per_row(operand(expr, 1)) ? masked(expr) : unchanged(expr);
      case Kernel::add:
      case Kernel::subtract: return plan_.has_common_scale(expr) ? sum_of_scaled(expr) : unchanged(expr);
      default: return unchanged(expr);
    }
  }

  /// The same operation on values that are whole.
  Product unchanged(const Expr& expr) {
    std::vector<Expr> operands;
    for (const Expr& each : expr.node()->operands) operands.push_back(value(each));
    return product_of(with_operands(expr, std::move(operands)));
  }

  static Product negative(Product product) {
    product.number = -product.number;
    product.is_sum = false;
    return product;
  }

  static Product squared(const Product& x) {
    Product result = multiplied(x, x, x.shape, Meeting::product);
    result.core = square(x.core);
    return result;
  }

  Product product_or_quotient(const Expr& expr, Meeting meeting) {
    const auto factor = factor_of(expr);
    if (!factor) return multiplied(product(expr, 0), product(expr, 1), expr.shape(), meeting);
    bool divide = meeting == Meeting::quotient;
    Product result = product(expr, 1 - *factor);
    if (divide && *factor == 0) {
      result = multiplied(product_of(constant(1.0)), result, result.shape, meeting);
      divide = false;
    }
    result.is_safe = result.is_safe || meeting == Meeting::safe_product;
    multiply_by(result, value(operand(expr, *factor)), divide);
    result.shape = expr.shape();
    return result;
  }

  /// Changes of the axes of lanes, along which factors do not vary.
  Product reshaped_product(const Expr& expr) {
    const Product x = product(expr, 0);
    const auto is_uniform = [](const Expr& factor) { return factor.empty() || num_lanes(factor.shape()) == 1; };
    if (!is_uniform(x.row) || !is_uniform(x.fixed) || x.core.shape() != x.shape) return unchanged(expr);
    Product result = x;
    if (!x.row.empty()) result.row = reshaped(x.row, with_one_lane(expr.shape()));
    result.core = with_operands(expr, {x.core});
    result.shape = expr.shape();
    return result;
  }

  /// where(mask, x, 0): a positive number leaves it, any other factor could make a zero of another sign, or NaN.
  Product masked(const Expr& expr) {
    Product x = product(expr, 1);
    const double number = std::abs(x.number);
    x.number /= number;
    Product result = product_of(with_operands(expr, {value(operand(expr, 0)), value_of(x), value(operand(expr, 2))}));
    result.number = number;
    return result;
  }

  /// s * x + s * y or s * x - s * y, with a power of 2.
  Product sum_of_scaled(const Expr& expr) {
    const Product x = product(expr, 0), y = product(expr, 1);
    const auto is_scaled = [&](const Product& p) { return p.fixed.empty() && p.row.empty() && p.number == x.number; };
    if (x.number == 1.0 || !is_power_of_2(x.number) || !is_scaled(x) || !is_scaled(y)) return unchanged(expr);
    const bool swaps = x.number < 0.0;  // in differences alone
    Product result = product_of(with_operands(expr, swaps ? std::vector{y.core, x.core} : std::vector{x.core, y.core}));
    result.number = std::abs(x.number);
    return result;
  }

  std::vector<Expr> order_;
  Plan plan_;
  NodeMap<Product> products_, factored_;  // of values that are not whole, and that are
  Replacements values_;
};

}  // namespace

std::vector<Expr> move_factors(const std::vector<Expr>& outputs) {
  const auto is_product = [](const Expr& expr) {
    const auto kernel = kernel_of(expr);
    return is_per_row(expr) && (is_a_product(kernel) || kernel == Kernel::divide || kernel == Kernel::neg);
  };
  if (!any_node(outputs, is_product)) return outputs;
  FactorMover mover(outputs);
  std::vector<Expr> result;
  for (const Expr& output : outputs) result.push_back(mover.value(output));
  return result;
}

}  // namespace allgrad
