#pragma once

#include <exception>
#include <string_view>

namespace allgrad {

/// What the exception says: its what(), or the string that was thrown, or that it says nothing. `exception` is not
/// null; the text lives in it and as long as it does, so that nothing is allocated here.
std::string_view exception_text(const std::exception_ptr& exception);

}  // namespace allgrad
