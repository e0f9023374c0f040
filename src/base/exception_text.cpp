#include "base/exception_text.hpp"

#include <string>

namespace allgrad {

std::string_view exception_text(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return error.what();
  } catch (const std::string& text) {
    return text;
  } catch (const char* text) {
    return text;
  } catch (...) {
    return "an exception that is no std::exception and does not say its cause";
  }
}

}  // namespace allgrad
