#pragma once

#include <string_view>

#include "allgrad/sink.hpp"

namespace allgrad {

/// Says `text` to the user, through the sink that is set.
void emit(Severity severity, std::string_view text);

}  // namespace allgrad
