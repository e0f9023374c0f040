#pragma once

#include <cstddef>

/// How often this program has called operator new so far, in any form and from any library. Calls of malloc, such as
/// MPI's own, do not count.
std::size_t allocations();
