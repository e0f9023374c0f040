#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

/// In the order of Kernel.
constexpr std::string_view kernel_names[] = {
#define ALLGRAD_UNARY(name, ...) #name,
#define ALLGRAD_BINARY(name, ...) #name,
#define ALLGRAD_TERNARY(name, ...) #name,
#include "allgrad/operators.def"
    "copy",
    "add_to_bins",
    "take",
    "scatter_add",
#define ALLGRAD_DRAW(name, ...) #name,
#include "dsl/draws.def"
    "call",
};

}  // namespace

std::string_view to_string(Kernel kernel) { return kernel_names[static_cast<std::size_t>(kernel)]; }

}  // namespace allgrad
