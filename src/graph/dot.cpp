#include "graph/dot.hpp"

namespace allgrad {
std::string to_dot(const NamedOutputs& outputs) { return to_text(outputs); }
}  // namespace allgrad
