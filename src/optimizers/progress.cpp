#include "optimizers/progress.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "comm/emit.hpp"
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

void Progress::update(const Iterate& iterate, std::size_t nsteps) {
  const double now = clock_();
  if (now - last_ < seconds_between_updates) return;
  if (can_show_status()) {
    show_status(line(iterate, nsteps, now));
  } else if (now - last_ >= seconds_between_lines) {
    emit(Severity::progress, line(iterate, nsteps, now));
  } else {
    return;
  }
  last_ = now;
}

std::string Progress::line(const Iterate& iterate, std::size_t nsteps, double now) const {
  const auto done = static_cast<double>(iterate.step + 1);
  const double left = (now - start_) / done * (static_cast<double>(nsteps) - done);
  return fmt::format("{}: step {} of {}, loss {:.6g}, up to {} left; {}", optimizer_, iterate.step, nsteps,
                     iterate.loss, duration(left), named(names_, iterate.params));
}

}  // namespace allgrad
