#pragma once

#include "allgrad/origin.hpp"

namespace allgrad {

/// Remembers how the program was called.
void note_command_line(int argc, const char* const* argv);

/// Of what is made now.
Origin origin_of_now();

}  // namespace allgrad
