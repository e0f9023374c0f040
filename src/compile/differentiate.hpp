#pragma once

#include "compile/pipeline.hpp"

namespace allgrad {

/// Appends an output for each derivative: until it is computed, what it is the derivative of.
void add_placeholders(NamedOutputs& outputs, const DerivativesOf& derivatives);

/// The outputs of a graph in which allreduces stand, with derivatives in place of what add_placeholders appended. The
/// derivatives may be partial. Output number `sumstats_at` are the statistics, where derivatives by them are asked for.
std::vector<Expr> differentiate(std::vector<Expr> outputs, const Expr& params, const DerivativesOf& derivatives,
                                GradientMode mode, std::size_t sumstats_at);

}  // namespace allgrad
