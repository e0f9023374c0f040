#include "optimizers/progress.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/emit.hpp"
#include "optimizers/named.hpp"

namespace allgrad {

namespace {

constexpr double seconds_between_lines = 10.0;
constexpr double seconds_between_updates = 0.2;

std::string duration(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

}  // namespace

double Progress::steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Progress::Progress(std::string optimizer, std::vector<std::string> names, Clock clock)
    : optimizer_(std::move(optimizer)),
      names_(std::move(names)),
      clock_(std::move(clock)),
      start_(clock_()),
      last_(start_) {}

Progress::~Progress() { end_status(); }

void Progress::update(const Iterate& iterate, std::size_t nsteps, std::size_t points) {
  const double now = clock_();
  if (now - last_ < seconds_between_updates) return;
  const double left = seconds_left(iterate.step + 1, points, now);
  if (can_show_status()) {
    show_status(line(iterate, nsteps, left));
  } else if (now - last_ >= seconds_between_lines) {
    emit(Severity::progress, line(iterate, nsteps, left));
  } else {
    return;
  }
  last_ = now;
}

void Progress::start_at(std::size_t step) {
  before_ = step;
  start_ = clock_();
}

// As long for each point to come as for those so far.
double Progress::seconds_left(std::size_t done, std::size_t points, double now) const {
  const std::size_t to_come = points > done ? points - done : 0;
  return (now - start_) / static_cast<double>(done - before_) * static_cast<double>(to_come);
}

std::string Progress::line(const Iterate& iterate, std::size_t nsteps, double left) const {
  return fmt::format("{}: step {} of {}, loss {:.6g}, up to {} left; {}", optimizer_, iterate.step, nsteps,
                     iterate.loss, duration(left), named(names_, iterate.params));
}

}  // namespace allgrad
