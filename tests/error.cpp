#include "allgrad/error.hpp"

#include <string>
#include <vector>

#include "allgrad/sink.hpp"
#include "allgrad/source_location.hpp"
#include "base/emit.hpp"
#include "base/exception_text.hpp"
#include "catch.hpp"

namespace test_error {

namespace ag = allgrad;

TEST_CASE("a source location is a file without its folders and a line") {
  const unsigned line = __LINE__ + 1;
  const auto here = ag::SourceLocation::current();
  CHECK(here.known());
  CHECK(here.str() == "error.cpp:" + std::to_string(line));
  CHECK(ag::SourceLocation{"a/b\\c.cpp", 3}.str() == "c.cpp:3");
  CHECK_FALSE(ag::SourceLocation{}.known());
  CHECK(ag::SourceLocation{}.str().empty());
}

TEST_CASE("an error begins with the user's line where it has one") {
  const ag::ExpressionError error("shapes [2] and [3] do not broadcast", {"/home/me/smf.cpp", 12});
  CHECK(std::string(error.what()) == "smf.cpp:12: shapes [2] and [3] do not broadcast");
  CHECK(error.where().line == 12);
  CHECK(std::string(ag::DataError("no rows").what()) == "no rows");
  CHECK_FALSE(ag::DataError("no rows").where().known());
  CHECK(std::string(ag::InternalError("no kernel").what()) == "defect in allgrad, please report it: no kernel");
  CHECK(ag::RankError(3, "rank 3 of 4: no rows").rank() == 3);
}

namespace {

struct Wordless : std::exception {
  const char* what() const noexcept override { return text; }
  const char* text = nullptr;
};

template <class T>
std::string text_of(const T& thrown) {
  return std::string(ag::exception_text(std::make_exception_ptr(thrown)));
}

}  // namespace

TEST_CASE("the text of whatever the user's code throws, which may have none") {
  CHECK(text_of(std::runtime_error("no rows")) == "no rows");
  CHECK(text_of(std::string("no rows")) == "no rows");
  CHECK(text_of<const char*>("no rows") == "no rows");
  CHECK(text_of(42) == "an exception that is no std::exception and does not say its cause");
  const std::string none = "an exception whose text is empty and does not say its cause";
  Wordless empty;
  empty.text = "";
  CHECK(text_of(Wordless()) == none);
  CHECK(text_of(empty) == none);
  CHECK(text_of<const char*>(nullptr) == none);
  CHECK(text_of(std::string()) == none);
}

TEST_CASE("what the library says goes to the sink that is set") {
  std::vector<std::string> texts;
  std::vector<ag::Severity> severities;
  const ag::Sink standard = ag::set_sink([&](ag::Severity severity, std::string_view text) {
    severities.push_back(severity);
    texts.emplace_back(text);
  });
  CHECK(standard);
  ag::emit(ag::Severity::progress, "step 1");
  ag::emit(ag::Severity::warning, "slow");
  const ag::Sink mine = ag::set_sink(standard);
  CHECK(texts == std::vector<std::string>{"step 1", "slow"});
  CHECK(severities == std::vector<ag::Severity>{ag::Severity::progress, ag::Severity::warning});
  mine(ag::Severity::error, "the former sink");
  CHECK(texts.back() == "the former sink");
}

}  // namespace test_error
