#pragma once

#include <functional>
#include <string>
#include <vector>

#include "allgrad/optimizer.hpp"

namespace allgrad {

/// Tells the user how far a minimization is: on a terminal by a line that is rewritten, otherwise by a line now and
/// then. Short runs stay silent.
class Progress {
 public:
  using Clock = std::function<double()>;  // in seconds

  Progress(std::string optimizer, std::vector<std::string> names, Clock clock = steady_seconds);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// The path has come to `iterate`; it has at most `nsteps` steps and `points` points in all, the guess included. The
  /// clock for the time that is left has started with the object.
  void update(const Iterate& iterate, std::size_t nsteps, std::size_t points);

  /// The path goes on from a `step` of an earlier run, whose time does not count.
  void start_at(std::size_t step);

  static double steady_seconds();

 private:
  std::string line(const Iterate& iterate, std::size_t nsteps, double left) const;
  double seconds_left(std::size_t done, std::size_t points, double now) const;

  std::string optimizer_;
  std::vector<std::string> names_;
  Clock clock_;
  double start_;
  std::size_t before_ = 0;  // points of an earlier run
  double last_;
};

}  // namespace allgrad
