#include "results/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "allgrad/error.hpp"

namespace allgrad {

namespace {

using nlohmann::json;

/// Writes one value after the other. Objects have a line for each member.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& text) : text_(text) {}

  void operator()(const Data& data) { std::visit(*this, data.value); }
  void operator()(Data::Nothing) { text_ += "null"; }
  void operator()(bool value) { text_ += value ? "true" : "false"; }
  void operator()(std::uint64_t value) { fmt::format_to(std::back_inserter(text_), "{}", value); }
  void operator()(const std::string& value) {
    text_ += json(value).dump(-1, ' ', false, json::error_handler_t::replace);
  }

  void operator()(double value) {
    if (!std::isfinite(value)) {
      text_ += std::isnan(value) ? "\"nan\"" : value > 0.0 ? "\"inf\"" : "\"-inf\"";
      return;
    }
    const std::size_t begin = text_.size();
    fmt::format_to(std::back_inserter(text_), "{}", value);
    if (text_.find_first_of(".e", begin) == std::string::npos) text_ += ".0";  // no whole number: -0 has a sign
  }

  void operator()(const Data::Numbers& numbers) {
    if (numbers.values.empty() && numbers.shape.size() > 1) {
      text_ += fmt::format("{{\"shape\": [{}], \"values\": []}}", fmt::join(numbers.shape, ", "));
    } else {
      write_axis(numbers, 0, 0);
    }
  }

  void operator()(const Data::List& list) {
    text_ += "[";
    for (const Data& element : list) {
      if (&element != list.data()) text_ += ", ";
      (*this)(element);
    }
    text_ += "]";
  }

  void operator()(const Data::Object& object) {
    ++depth_;
    text_ += "{";
    for (const Data::Member& member : object) {
      text_ += &member == object.data() ? "\n" : ",\n";
      text_.append(depth_, ' ');
      (*this)(member.name);
      text_ += ": ";
      (*this)(member.data);
    }
    --depth_;
    text_ += "}";
  }

 private:
  void write_axis(const Data::Numbers& numbers, std::size_t axis, std::size_t first) {
    if (axis == numbers.shape.size()) return (*this)(numbers.values[first]);
    std::size_t stride = 1;
    for (std::size_t inner = axis + 1; inner < numbers.shape.size(); ++inner) stride *= numbers.shape[inner];
    text_ += "[";
    for (std::size_t i = 0; i < numbers.shape[axis]; ++i) {
      if (i > 0) text_ += ", ";
      write_axis(numbers, axis + 1, first + i * stride);
    }
    text_ += "]";
  }

  std::string& text_;
  std::size_t depth_ = 0;
};

/// Builds Data from the events of a parser, which makes no tree of its own: the destructor of one asks for memory, and
/// would end a program that has none.
class JsonReader final : public nlohmann::json_sax<json> {
 public:
  Data take() { return std::move(root_); }

  bool null() override { return add({}); }
  bool boolean(bool value) override { return add({value}); }
  bool number_integer(std::int64_t value) override { return add({static_cast<double>(value)}); }
  bool number_unsigned(std::uint64_t value) override { return add({value}); }
  bool number_float(double value, const std::string&) override { return add({value}); }
  bool string(std::string& value) override { return add({std::move(value)}); }
  bool binary(json::binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open({Data::Object{}}); }
  bool key(std::string& name) override {
    std::get<Data::Object>(open_.back()->value).push_back({std::move(name), {}});
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open({Data::List{}}); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    throw DataError(error.what());
  }

 private:
  static constexpr std::size_t deepest = 100;

  Data& place() {
    if (open_.empty()) return root_;
    if (auto* list = std::get_if<Data::List>(&open_.back()->value)) return list->emplace_back();
    return std::get<Data::Object>(open_.back()->value).back().data;
  }
  bool add(Data data) {
    place() = std::move(data);
    return true;
  }
  bool open(Data data) {
    if (open_.size() == deepest) throw DataError(fmt::format("expected values in at most {} others", deepest));
    Data& to = place();
    to = std::move(data);
    open_.push_back(&to);  // stays where it is until it is closed: its list or object does not grow before
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Data root_;
  std::vector<Data*> open_;
};

}  // namespace

std::string to_json(const Data& data) {
  std::string text;
  JsonWriter{text}(data);
  return text;
}

Data from_json(std::string_view text) {
  JsonReader builder;
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace allgrad
