#include "graph/dot.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.hpp"
#include "graph/collective_levels.hpp"
#include "graph/operator.hpp"
#include "graph/placement.hpp"
#include "graph/shape.hpp"
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
bool is_number(const Expr& expr) {
  const Node& node = *expr.node();
  return node.operands.empty() && node.placement == Placement::replicated && !node.op->label().empty();
}

std::string constant_operands(const Node& node) {
  if (std::ranges::none_of(node.operands, is_number)) return {};
  std::string text;
  for (const Expr& operand : node.operands) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", is_number(operand) ? operand.node()->op->label() : "·");
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

/// A sweep over rows: the collectives that come before it, and its table.
using Sweep = std::pair<std::size_t, const RowAxis*>;

bool comes_before(const Sweep& a, const Sweep& b) { return a.first < b.first; }

/// The first sweep that computes each value per row, and the sums over rows that it is for.
NodeMap<Sweep> sweeps_of(const std::vector<Expr>& order) {
  const auto level = collective_levels(order);
  NodeMap<Sweep> sweeps;
  for (auto expr = order.rbegin(); expr != order.rend(); ++expr) {
    const Node& node = *expr->node();
    for (const Expr& operand : node.operands) {
      const auto rows = rows_of(operand.shape());
      if (!rows) continue;
      if (!rows_of(node.shape)) sweeps.emplace(&node, Sweep{level.at(&node), rows.get()});
      const auto user = sweeps.find(&node);
      if (user == sweeps.end()) continue;
      const Sweep sweep = user->second;
      Sweep& first = sweeps.emplace(operand.node(), sweep).first->second;
      first = std::min(first, sweep, comes_before);
    }
  }
  return sweeps;
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

}  // namespace

std::string to_dot(const NamedOutputs& outputs) {
  const std::vector<Expr> order = topological_order(exprs_of(outputs));
  const auto sweep_of = sweeps_of(order);
  NodeMap<std::size_t> number;
  std::vector<std::pair<Sweep, std::string>> sweeps;  // in the order of first use
  const auto statements_of = [&sweeps](const Sweep& sweep) -> std::string& {
    const auto found = std::ranges::find(sweeps, sweep, &std::pair<Sweep, std::string>::first);
    return found != sweeps.end() ? found->second : sweeps.emplace_back(sweep, "").second;
  };
  std::string outside, edges;
  for (const Expr& expr : order) {
    const Node& node = *expr.node();
    if (is_number(expr)) continue;
    const std::size_t id = number.size();
    number.emplace(&node, id);
    const auto sweep = sweep_of.find(&node);
    (sweep == sweep_of.end() ? outside : statements_of(sweep->second)) += statement_of(node, id);
    for (const Expr& operand : node.operands) {
      if (is_number(operand)) continue;
      const bool backward = node.backward && operand.node()->backward;
      edges += fmt::format("n{} -> n{}{};\n", number.at(operand.node()), id,
                           backward        ? " [style=dashed]"
                           : node.backward ? " [style=dotted, color=\"#94a3b8\"]"
                                           : "");
    }
  }

  std::string dot =
      "digraph allgrad {\n"
      "graph [fontname=\"sans-serif\", ranksep=0.3, nodesep=0.2];\n"
      "node [shape=box, fontname=\"sans-serif\", fontsize=10, color=\"#64748b\", height=0.3, margin=\"0.08,0.03\"];\n"
      "edge [color=\"#475569\", arrowsize=0.6];\n";
  dot += legend();
  std::size_t count = 0;
  for (const auto& [sweep, statements] : sweeps) {
    dot += fmt::format(
        "subgraph cluster_sweep{} {{\nlabel=<sweep {} over the rows of {}>; style=\"filled,rounded\"; "
        "color=\"#93c5fd\"; fillcolor=\"#eff6ff\"; fontcolor=\"#1d4ed8\";\n{}}}\n",
        count, count + 1, escape(sweep.second->table), statements);
    ++count;
  }
  dot += outside + edges;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [name, expr] = outputs[i];
    dot +=
        fmt::format("out{} [label=<{}>, shape=ellipse, style=filled, fillcolor=\"#0f172a\", fontcolor=\"#ffffff\"];\n",
                    i, escape_some(name));
    if (number.contains(expr.node())) dot += fmt::format("n{} -> out{};\n", number.at(expr.node()), i);
  }
  return dot + "}\n";
}

}  // namespace allgrad
