#include "graph/dot.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

struct Paint {
  const char* fill;
  const char* text;
};

Paint paint_of(const Node& node) {
  if (node.op->is_collective()) return {"#c2410c", "#ffffff"};
  switch (node.placement) {
    case Placement::replicated: return {"#f1f5f9", "#0f172a"};
    case Placement::per_row: return {"#bfdbfe", "#0f172a"};
    case Placement::partial: return {"#fed7aa", "#0f172a"};
    case Placement::per_rank: return {"#e9d5ff", "#0f172a"};
  }
  return {"#ffffff", "#000000"};
}

/// Graphviz refuses strings beyond 16 kB.
constexpr std::size_t longest_text = 60;

/// A text as a part of an HTML-like label.
std::string escape(const std::string& text) {
  std::string result;
  for (char c : shortened(printable(text), longest_text)) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '\\': result += "\\\\"; break;  // an escape in these labels too: \N is the name of the node
      default: result += c;
    }
  }
  return result;
}

/// The same where there has to be some text, which Graphviz wants between tags.
std::string escape_some(const std::string& text) { return text.empty() ? "&#160;" : escape(text); }

/// Numbers that are the same everywhere are not drawn: they stand in the labels of what uses them.
bool is_plain_number(const Expr& expr) {
  const Node& node = *expr.node();
  return node.operands.empty() && node.placement == Placement::replicated && !node.op->label().empty();
}

std::string constant_operands(const Node& node) {
  if (std::ranges::none_of(node.operands, is_plain_number)) return {};
  std::string text;
  for (const Expr& operand : node.operands) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", is_plain_number(operand) ? operand.node()->op->label() : "·");
  }
  return "(" + text + ")";
}

std::string label_of(const Node& node) {
  const std::string name = node.op->label().empty() ? std::string(node.op->name()) : node.op->label();
  const std::string attributes = node.op->label().empty() ? node.op->attributes() : std::string();
  return fmt::format(R"(<b>{}</b>{}<br/>{} {}<br/><font point-size="8" color="{}">{}</font>)", escape_some(name),
                     escape((attributes.empty() ? "" : " " + attributes) + constant_operands(node)),
                     escape(to_string(node.shape)), to_string(node.placement),
                     node.op->is_collective() ? "#fed7aa" : "#64748b", escape_some(node.where.str()));
}

std::string statement_of(const Node& node, std::size_t id) {
  const Paint paint = paint_of(node);
  return fmt::format("n{} [label=<{}>, fillcolor=\"{}\", fontcolor=\"{}\", style=\"filled{}\"{}];\n", id,
                     label_of(node), paint.fill, paint.text, node.backward ? ",rounded,dashed" : "",
                     node.op->is_collective() ? ", shape=hexagon, margin=\"0.02,0.02\"" : "");
}

std::string legend() {
  const auto row = [](const char* fill, const char* text, const char* name, const char* meaning) {
    return fmt::format(R"(<tr><td bgcolor="{}"><font color="{}">{}</font></td><td align="left">{}</td></tr>)", fill,
                       text, name, meaning);
  };
  return "legend [shape=plain, label=<<table border=\"0\" cellspacing=\"4\" cellpadding=\"4\">" +
         row("#f1f5f9", "#0f172a", "replicated", "the same on every rank") +
         row("#bfdbfe", "#0f172a", "per_row", "of this rank's rows") +
         row("#fed7aa", "#0f172a", "partial", "a share of a sum over ranks") +
         row("#e9d5ff", "#0f172a", "per_rank", "a rank's own") +
         row("#c2410c", "#ffffff", "allreduce", "ranks exchange a message") +
         row("#ffffff", "#0f172a", "dashed", "the backward half") + "</table>>];\n";
}

/// The functions of the user's whose nodes are boxed, none where a graph is made in one alone. Lambda functions have no
/// name: their nodes are boxed with the function around them, as far as lines tell.
class Functions {
 public:
  explicit Functions(const std::vector<Expr>& order) {
    for (const Expr& expr : order) add(expr.node()->where);
    if (spans_.size() < 2) spans_.clear();
    for (auto expr = order.rbegin(); expr != order.rend(); ++expr) place(*expr->node());
  }

  std::size_t size() const { return spans_.size(); }
  const std::string& name(std::size_t i) const { return spans_[i].name; }

  /// The function that a node is boxed in; size() where it is in none.
  std::size_t of(const Node& node) const { return function_of_.at(&node); }

 private:
  /// Lines from the first to the last on which a function makes nodes.
  struct Span {
    std::string file, name;
    unsigned first, last;
  };

  static bool is_lambda(const SourceLocation& where) { return std::string_view(where.function) == "operator()"; }

  std::size_t find(const SourceLocation& where) const {
    const auto found = std::ranges::find_if(spans_, [&](const Span& span) {
      return span.file == where.file &&
             (is_lambda(where) ? span.first <= where.line && where.line <= span.last : span.name == where.function);
    });
    return static_cast<std::size_t>(found - spans_.begin());
  }

  void add(const SourceLocation& where) {
    if (is_lambda(where) || !where.known()) return;
    const std::size_t i = find(where);
    if (i == size()) spans_.push_back({where.file, where.function, where.line, where.line});
    spans_[i].first = std::min(spans_[i].first, where.line);
    spans_[i].last = std::max(spans_[i].last, where.line);
  }

  /// What uses a node is placed before it: a lambda function that stands above all lines of a function, and makes what
  /// that uses, is one of its.
  void place(const Node& node) {
    const std::size_t function = function_of_.emplace(&node, find(node.where)).first->second;
    if (function == size()) return;
    for (const Expr& operand : node.operands) {
      const SourceLocation& where = operand.node()->where;
      if (is_lambda(where) && find(where) == size() && is_next(where, spans_[function])) {
        function_of_.emplace(operand.node(), function);
      }
    }
  }

  /// Whether no other function begins between a line and a function below it.
  bool is_next(const SourceLocation& where, const Span& function) const {
    return function.file == where.file && where.line < function.first &&
           std::ranges::none_of(spans_, [&](const Span& other) {
             return other.file == where.file && where.line < other.first && other.first < function.first;
           });
  }

  std::vector<Span> spans_;
  NodeMap<std::size_t> function_of_;
};

/// Statements of nodes that are drawn in one loop, or in none, by the function that they are boxed in.
class Statements {
 public:
  explicit Statements(const Functions& functions) : functions_(functions), of_functions_(functions.size() + 1) {}

  void add(const Node& node, std::size_t id) { of_functions_[functions_.of(node)].push_back(statement_of(node, id)); }

  /// A box for each function of more than one node; `place` tells those of one loop from those of another.
  std::string str(const std::string& place) const {
    std::string text;
    for (std::size_t i = 0; i <= functions_.size(); ++i) {
      const std::string nodes = fmt::format("{}", fmt::join(of_functions_[i], ""));
      const bool is_boxed = i < functions_.size() && of_functions_[i].size() > 1;
      text += is_boxed ? fmt::format(
                             "subgraph cluster_{}_function{} {{\nlabel=<{}>; style=rounded; color=\"#94a3b8\"; "
                             "fontcolor=\"#475569\"; labeljust=l;\n{}}}\n",
                             place, i, escape_some(functions_.name(i)), nodes)
                       : nodes;
    }
    return text;
  }

 private:
  const Functions& functions_;
  std::vector<std::vector<std::string>> of_functions_;  // and behind them what is in none
};

struct Drawn {
  Statements outside;
  std::vector<Statements> in_loops;
  std::string edges = {};
  NodeMap<std::size_t> number = {};
};

Drawn draw_all(const std::vector<Expr>& order, const RowLoops& loops, const Functions& functions) {
  Drawn drawn{Statements(functions), std::vector(loops.tables.size(), Statements(functions))};
  for (std::size_t id = 0; id < order.size(); ++id) {  // as in to_text
    const Expr& expr = order[id];
    const Node& node = *expr.node();
    if (is_plain_number(expr)) continue;
    drawn.number.emplace(&node, id);
    const auto loop = loops.loop_of.find(&node);
    (loop == loops.loop_of.end() ? drawn.outside : drawn.in_loops[loop->second]).add(node, id);
    for (const Expr& operand : node.operands) {
      if (is_plain_number(operand)) continue;
      const bool backward = node.backward && operand.node()->backward;
      drawn.edges += fmt::format("n{} -> n{}{};\n", drawn.number.at(operand.node()), id,
                                 backward        ? " [style=dashed]"
                                 : node.backward ? " [style=dotted, color=\"#94a3b8\"]"
                                                 : "");
    }
  }
  return drawn;
}

}  // namespace

std::string to_dot(const NamedOutputs& outputs, const RowLoops& loops) {
  const std::vector<Expr> order = topological_order(exprs_of(outputs));
  const Functions functions(order);
  const Drawn drawn = draw_all(order, loops, functions);
  std::string dot =
      "digraph allgrad {\n"
      "graph [fontname=\"sans-serif\", ranksep=0.3, nodesep=0.2];\n"
      "node [shape=box, fontname=\"sans-serif\", fontsize=10, color=\"#64748b\", height=0.3, margin=\"0.08,0.03\"];\n"
      "edge [color=\"#475569\", arrowsize=0.6];\n";
  dot += legend();
  for (std::size_t i = 0; i < loops.tables.size(); ++i) {
    dot += fmt::format(
        "subgraph cluster_sweep{} {{\nlabel=<sweep {} over the rows of {}>; style=\"filled,rounded\"; "
        "color=\"#93c5fd\"; fillcolor=\"#eff6ff\"; fontcolor=\"#1d4ed8\";\n{}}}\n",
        i, i + 1, escape(loops.tables[i]), drawn.in_loops[i].str(fmt::format("sweep{}", i)));
  }
  dot += drawn.outside.str("dense") + drawn.edges;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [name, expr] = outputs[i];
    dot +=
        fmt::format("out{} [label=<{}>, shape=ellipse, style=filled, fillcolor=\"#0f172a\", fontcolor=\"#ffffff\"];\n",
                    i, escape_some(name));
    const auto number = drawn.number.find(expr.node());
    if (number != drawn.number.end()) dot += fmt::format("n{} -> out{};\n", number->second, i);
  }
  return dot + "}\n";
}

}  // namespace allgrad
