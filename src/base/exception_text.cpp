#include "base/exception_text.hpp"

#include <string>

namespace allgrad {

namespace {

/// A text of the user's, which may be a null pointer.
std::string_view text_or_empty(const char* text) { return text != nullptr ? text : std::string_view{}; }

std::string_view own_text(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return text_or_empty(error.what());
  } catch (const std::string& text) {
    return text;
  } catch (const char* text) {
    return text_or_empty(text);
  } catch (...) {
    return "an exception that is no std::exception and does not say its cause";
  }
}

}  // namespace

std::string_view exception_text(const std::exception_ptr& exception) {
  const std::string_view text = own_text(exception);
  return text.empty() ? "an exception whose text is empty and does not say its cause" : text;
}

}  // namespace allgrad
