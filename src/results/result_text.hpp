#pragma once

#include <string>

#include "allgrad/optimize_result.hpp"

namespace allgrad {

/// A result as text for other ranks: the fields that a file of it has.
std::string text_of(const OptimizeResult& result);

/// The same, with `comm` for what refers to a communicator.
OptimizeResult optimize_result_of(const std::string& text, const Communicator& comm);

}  // namespace allgrad
