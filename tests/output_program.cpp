// A fit whose output cannot be written, in the way that the argument names: it ends as if it could, and what is missing
// is counted. tests/meson.build says what is printed in the end.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>

#include "allgrad/adam.hpp"
#include "allgrad/run.hpp"
#include "base/emit.hpp"
#include "optimizers/progress.hpp"

namespace ag = allgrad;

namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("not so: " + what);
}

class Square final : public ag::Objective {
 public:
  std::size_t num_params() const override { return 1; }
  const ag::Communicator& communicator() const override { return comm_; }
  double value(std::span<const double> params, const ag::EvaluationOptions&) override { return params[0] * params[0]; }
  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const ag::EvaluationOptions& options) override {
    comm_.synchronize();
    gradient[0] = 2.0 * params[0];
    return value(params, options);
  }

 private:
  ag::Communicator comm_ = ag::Communicator::world();
};

void replace_standard_error(int descriptor) { require(dup2(descriptor, STDERR_FILENO) >= 0, "dup2"); }

int pipe_ends[2];

void fill_pipe() {
  require(pipe2(pipe_ends, O_NONBLOCK) == 0, "pipe2");
  while (write(pipe_ends[1], "0123456789abcdef", 16) > 0) {
  }
  require(fcntl(pipe_ends[1], F_SETFL, 0) == 0, "fcntl");
}

/// A file that has its largest size. The limit is far above what MPI makes.
void reach_size_limit() {
  constexpr rlim_t limit = rlim_t{1} << 30;
  std::FILE* stream = std::tmpfile();
  require(stream != nullptr, "tmpfile");
  const int file = fileno(stream);
  require(fcntl(file, F_SETFL, O_APPEND) == 0 && ftruncate(file, limit) == 0, "a sparse file");
  const rlimit sizes{limit, limit};
  require(setrlimit(RLIMIT_FSIZE, &sizes) == 0, "setrlimit");
  replace_standard_error(file);
}

const std::map<std::string, std::function<void()>> ways{
    {"full disk", [] { replace_standard_error(open("/dev/full", O_WRONLY)); }},
    {"closed pipe",
     [] {
       require(pipe(pipe_ends) == 0, "pipe");
       close(pipe_ends[0]);
       replace_standard_error(pipe_ends[1]);
     }},
    {"unread pipe",
     [] {
       fill_pipe();
       replace_standard_error(pipe_ends[1]);
     }},
    {"closed descriptor", [] { close(STDERR_FILENO); }},
    {"file size limit", reach_size_limit},
    {"throwing sink",
     [] { ag::set_sink([](ag::Severity, std::string_view) { throw std::runtime_error("no room"); }); }},
};

void fit(const ag::Communicator& world) {
  double now = 0.0;
  ag::Progress progress("Adam", {"a"}, [&] { return now; });
  now = 60.0;
  const std::vector<double> param = {1.0};
  const ag::AuxValues none;
  if (world.is_root()) progress.update({1, 0.5, param, param, none, none}, 4, 4);

  Square objective;
  const auto stop = [](const ag::Iterate& at) -> void {
    if (at.step == 20) throw std::runtime_error("enough");  // of which a warning tells
  };
  ag::Adam adam{.nsteps = 100, .callback = stop};
  adam.progress = false;
  const auto path = adam.minimize(objective, {{"a", 3.0}});
  require(path.message.find("enough") != std::string::npos, path.message);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string way = argc > 1 ? argv[1] : "";
  const int standard_error = dup(STDERR_FILENO);
  return ag::run(argc, argv, [&](const ag::Communicator& world) {
    if (world.is_root()) ways.at(way)();
    fit(world);
    ag::set_sink({});
    replace_standard_error(standard_error);
    const std::size_t expected = world.is_root() ? 2 : 0;
    require(ag::dropped_texts() == expected, fmt::format("{} texts dropped", ag::dropped_texts()));

    sigset_t pending;
    sigpending(&pending);
    require(sigismember(&pending, SIGPIPE) == 0 && sigismember(&pending, SIGXFSZ) == 0, "no signal is left");
    if (world.is_root()) ag::emit(ag::Severity::warning, "it can be written again");
  });
}
