#pragma once

#include <string_view>

namespace allgrad {

/// What helps where a function is not finite for some of its operands.
inline constexpr std::string_view mask_recipe = "mask the result: where(ok, f(x), 0)";

}  // namespace allgrad
