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

/// True for what changes the axes of lanes or takes some of them.
bool moves_lanes(const Expr& expr) { return as<Reshape>(expr) != nullptr || as<SliceAxis>(expr) != nullptr; }

/// What the pass knows of a graph before it changes it.
class Plan {
 public:
  explicit Plan(const Graph& graph)
      : graph_(graph),
        scales_(graph.size(), 1.0),
        whole_(graph.size()),
        zeros_(graph.size()),
        in_product_(graph.size()) {
    for (std::size_t node = 0; node < graph.size(); ++node) {
      if (is_per_row(graph.nodes()[node])) scales_[node] = scale_of(node);
    }
    for (const Graph::Number output : graph.output_numbers()) need(output, true, true);
    for (std::size_t node = graph.size(); node-- > 0;) {
      const std::span operands = graph.operands(node);
      for (std::size_t k = 0; k < operands.size(); ++k) {
        if (!is_per_row(graph.nodes()[operands[k]])) continue;
        // One whole product takes the factors with it at the cost of the whole operand, a second one does not.
        const bool in_product = is_in_whole_product(node), again = in_product && in_product_[operands[k]];
        if (in_product) in_product_[operands[k]] = true;
        need(operands[k], again || needs_whole(node, k), shows_zeros(node, k));
      }
    }
  }

  /// True where a value is used as such, so that there is nothing to gain from its factors.
  bool is_whole(std::size_t node) const { return whole_[node]; }

  /// True where the sign of a zero can be seen: not where all of its uses are products that are summed.
  bool shows_zeros(std::size_t node) const { return zeros_[node]; }

  /// True for a sum or difference whose terms share a power of 2 that can leave it.
  bool has_common_scale(std::size_t node) const {
    const Expr& expr = graph_.nodes()[node];
    const auto kernel = kernel_of(expr);
    if (kernel != Kernel::add && kernel != Kernel::subtract) return false;
    if (!is_per_row(operand(expr, 0)) || !is_per_row(operand(expr, 1))) return false;
    const double x = scale(node, 0), y = scale(node, 1);
    return x == y && x != 1.0 && (x > 0.0 || kernel == Kernel::subtract);
  }

 private:
  double scale(std::size_t node, std::size_t k) const { return scales_[graph_.operands(node)[k]]; }

  /// A power of 2 that multiplies the value per row.
  double scale_of(std::size_t node) const {
    const Expr& expr = graph_.nodes()[node];
    if (moves_lanes(expr)) return scale(node, 0);
    if (has_common_scale(node)) return std::abs(scale(node, 0));
    if (kernel_of(expr) == Kernel::neg) return -scale(node, 0);
    if (kernel_of(expr) != Kernel::multiply) return 1.0;
    for (const std::size_t k : {0U, 1U}) {
      const auto number = uniform_value(operand(expr, k));
      if (number && is_power_of_2(*number * scale(node, 1 - k))) return *number * scale(node, 1 - k);
    }
    return 1.0;
  }

  void need(std::size_t node, bool whole, bool zeros) {
    if (whole) whole_[node] = true;
    if (zeros) zeros_[node] = true;
  }

  bool needs_whole(std::size_t node, std::size_t k) const {
    const Expr& expr = graph_.nodes()[node];
    if (as<Sum>(expr) != nullptr) return false;
    if (moves_lanes(expr)) return is_whole(node);
    switch (kernel_of(expr).value_or(Kernel::copy)) {
      case Kernel::neg: return false;
      case Kernel::square: return is_whole(node);
      case Kernel::multiply:
      case Kernel::safe_multiply:
      case Kernel::divide: {
        const auto factor = factor_of(expr);
        return factor && k == *factor;
      }
      case Kernel::where: return k != 1 || !is_zero(operand(expr, 2)) || is_whole(node);
      case Kernel::add:
      case Kernel::subtract: return !has_common_scale(node) || is_whole(node);
      default: return true;
    }
  }

  /// True for a product or quotient of values along all axes that is used as such.
  bool is_in_whole_product(std::size_t node) const {
    const Expr& expr = graph_.nodes()[node];
    const auto kernel = kernel_of(expr);
    return is_whole(node) && (is_a_product(kernel) || kernel == Kernel::divide) && !factor_of(expr);
  }

  bool shows_zeros(std::size_t node, std::size_t k) const {
    const Expr& expr = graph_.nodes()[node];
    if (as<Sum>(expr) != nullptr) return false;
    if (moves_lanes(expr)) return shows_zeros(node) || is_whole(node);
    const auto kernel = kernel_of(expr);
    const bool is_product = is_a_product(kernel) || kernel == Kernel::neg || (kernel == Kernel::divide && k == 0);
    return !is_product || shows_zeros(node) || is_whole(node);
  }

  const Graph& graph_;
  std::vector<double> scales_;  // by number of nodes, as all of these
  std::vector<bool> whole_, zeros_, in_product_;
};

/// Builds the graph anew, values per row as products.
class FactorMover {
 public:
  explicit FactorMover(const Graph& graph) : graph_(graph), plan_(graph), values_(graph.size()), places_(graph.size()) {
    for (std::size_t node = 0; node < graph.size(); ++node) {
      const Expr& expr = graph.nodes()[node];
      const NodeOrigin origin(expr.node()->where, expr.node()->backward);
      std::optional<Product> product = product_of_node(node);
      if (!product) {
        values_[node] = unchanged(node);
        continue;
      }
      if (product->is_core() || is_computed_as_whole(node, *product)) values_[node] = value_of(*product);
      if (product->is_core()) continue;
      products_.push_back(std::move(*product));
      places_[node] = products_.size();
    }
  }

  /// What stands for a node.
  const Expr& value(std::size_t node) {
    if (!values_[node].empty()) return values_[node];
    const Expr& expr = graph_.nodes()[node];
    const NodeOrigin origin(expr.node()->where, expr.node()->backward);
    return values_[node] = value_of(products_[places_[node] - 1]);
  }

 private:
  std::size_t operand_of(std::size_t node, std::size_t k) const { return graph_.operands(node)[k]; }

  /// Operand k as a product, or null for its value alone. Where the operand is computed as a whole and the node ends in
  /// sums, factors are taken out all the same: what is left is computed anyway, and sums of it need not wait for them.
  const Product* factored(std::size_t node, std::size_t k) const {
    const std::size_t at = operand_of(node, k);
    if (places_[at] == 0) return nullptr;
    const Product& product = products_[places_[at] - 1];
    if (!is_computed_as_whole(at, product)) return &product;
    const bool ends_in_sums = as<Sum>(graph_.nodes()[node]) != nullptr || !plan_.shows_zeros(node);
    const bool takes_factors = ends_in_sums && product.row.empty() && !is_reciprocal(product.core);
    return takes_factors ? &product : nullptr;
  }

  Product product(std::size_t node, std::size_t k) {
    const Product* known = factored(node, k);
    return known != nullptr ? *known : product_of(value(operand_of(node, k)));
  }

  bool is_computed_as_whole(std::size_t node, const Product& product) const {
    return !is_per_row(graph_.nodes()[node]) || plan_.is_whole(node) || (product.is_sum && plan_.shows_zeros(node));
  }

  /// Nothing for the same operation on values that are whole.
  std::optional<Product> product_of_node(std::size_t node) {
    const Expr& expr = graph_.nodes()[node];
    if (const auto* sum = as<Sum>(expr); sum != nullptr && is_per_row(operand(expr, 0))) {
      return summed(product(node, 0), sum->axes(), expr.shape());
    }
    if (!is_per_row(expr)) return std::nullopt;
    if (moves_lanes(expr)) return reshaped_product(node);
    switch (kernel_of(expr).value_or(Kernel::copy)) {
      case Kernel::neg: return negative(product(node, 0));
      case Kernel::square:
        return plan_.is_whole(node) || !factored(node, 0) ? std::nullopt : std::optional(squared(product(node, 0)));
      case Kernel::multiply: return product_or_quotient(node, Meeting::product);
      case Kernel::safe_multiply: return product_or_quotient(node, Meeting::safe_product);
      case Kernel::divide: return product_or_quotient(node, Meeting::quotient);
      case Kernel::where:
        if (is_zero(operand(expr, 2)) && is_per_row(operand(expr, 1))) return masked(node);
        return std::nullopt;
      case Kernel::add:
      case Kernel::subtract: return plan_.has_common_scale(node) ? sum_of_scaled(node) : std::nullopt;
      default: return std::nullopt;
    }
  }

  Expr unchanged(std::size_t node) {
    const Expr& expr = graph_.nodes()[node];
    bool stays = true;
    for (std::size_t k = 0; k < expr.node()->operands.size(); ++k) {
      stays = value(operand_of(node, k)).node() == operand(expr, k).node() && stays;
    }
    if (stays) return expr;
    std::vector<Expr> operands;
    for (const Graph::Number each : graph_.operands(node)) operands.push_back(value(each));
    return with_operands(expr, std::move(operands));
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

  std::optional<Product> product_or_quotient(std::size_t node, Meeting meeting) {
    const Expr& expr = graph_.nodes()[node];
    const auto factor = factor_of(expr);
    if (!factor) {
      if (factored(node, 0) == nullptr && factored(node, 1) == nullptr) return std::nullopt;
      return multiplied(product(node, 0), product(node, 1), expr.shape(), meeting);
    }
    bool divide = meeting == Meeting::quotient;
    Product result = product(node, 1 - *factor);
    if (divide && *factor == 0) {
      result = multiplied(product_of(constant(1.0)), result, result.shape, meeting);
      divide = false;
    }
    result.is_safe = result.is_safe || meeting == Meeting::safe_product;
    multiply_by(result, value(operand_of(node, *factor)), divide);
    result.shape = expr.shape();
    return result;
  }

  /// Changes of the axes of lanes, along which factors do not vary.
  std::optional<Product> reshaped_product(std::size_t node) {
    const Expr& expr = graph_.nodes()[node];
    const Product x = product(node, 0);
    const auto is_uniform = [](const Expr& factor) { return factor.empty() || num_lanes(factor.shape()) == 1; };
    if (!is_uniform(x.row) || !is_uniform(x.fixed) || x.core.shape() != x.shape) return std::nullopt;
    Product result = x;
    if (!x.row.empty()) result.row = reshaped(x.row, with_one_lane(expr.shape()));
    result.core = with_operands(expr, {x.core});
    result.shape = expr.shape();
    return result;
  }

  /// where(mask, x, 0): a positive number leaves it, any other factor could make a zero of another sign, or NaN.
  Product masked(std::size_t node) {
    const Expr& expr = graph_.nodes()[node];
    Product x = product(node, 1);
    const double number = std::abs(x.number);
    x.number /= number;
    Product result =
        product_of(with_operands(expr, {value(operand_of(node, 0)), value_of(x), value(operand_of(node, 2))}));
    result.number = number;
    return result;
  }

  /// s * x + s * y or s * x - s * y, with a power of 2.
  std::optional<Product> sum_of_scaled(std::size_t node) {
    const Expr& expr = graph_.nodes()[node];
    const Product x = product(node, 0), y = product(node, 1);
    const auto is_scaled = [&](const Product& p) { return p.fixed.empty() && p.row.empty() && p.number == x.number; };
    if (x.number == 1.0 || !is_power_of_2(x.number) || !is_scaled(x) || !is_scaled(y)) return std::nullopt;
    const bool swaps = x.number < 0.0;  // in differences alone
    Product result = product_of(with_operands(expr, swaps ? std::vector{y.core, x.core} : std::vector{x.core, y.core}));
    result.number = std::abs(x.number);
    return result;
  }

  const Graph& graph_;
  Plan plan_;
  std::vector<Expr> values_;         // by number of nodes; empty for those that are not computed yet
  std::vector<std::size_t> places_;  // likewise: 1 + the place among products, or 0 for what has no factors
  std::vector<Product> products_;
};

}  // namespace

std::vector<Expr> move_factors(const Graph& graph) {
  const auto is_product = [](const Expr& expr) {
    const auto kernel = kernel_of(expr);
    return is_per_row(expr) && (is_a_product(kernel) || kernel == Kernel::divide || kernel == Kernel::neg);
  };
  if (!any_node(graph, is_product)) return graph.outputs();
  FactorMover mover(graph);
  std::vector<Expr> result;
  for (const Graph::Number output : graph.output_numbers()) result.push_back(mover.value(output));
  return result;
}

}  // namespace allgrad
