// How a run keeps its state in a file, and goes on from there.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "allgrad/error.hpp"
#include "base/archive.hpp"
#include "base/emit.hpp"
#include "base/exception_text.hpp"
#include "comm/failure_record.hpp"
#include "comm/file.hpp"
#include "optimizers/minimization.hpp"
#include "optimizers/named.hpp"

namespace allgrad {

namespace {

// The same but for rounding, which depends on the machine and on the number of ranks. A NaN is as good as another.
bool is_same(double a, double b, double size) {
  if (!std::isfinite(a) || !std::isfinite(b)) return a == b || (std::isnan(a) && std::isnan(b));
  return std::abs(a - b) <= 1e-8 * size;
}

double largest(std::span<const double> values) {
  double largest = 0.0;
  for (const double value : values) largest = std::fmax(largest, std::abs(value));
  return largest;
}

}  // namespace

void Minimization::First::fields(Archive& archive) {
  bool has_key = randkey.has_value();
  std::array<std::uint32_t, 2> words = randkey.value_or(0).words();
  archive(gradient, loss, has_key, words);
  randkey = has_key ? std::optional(Key(words)) : std::nullopt;
}

void Minimization::fields(Archive& archive) {
  archive(iterate_, iterate_step_, step_, best_.loss, best_.params, best_.step, first_);
}

CheckpointName Minimization::checkpoint_name(const Checkpoint& checkpoint) const {
  return {.optimizer = optimizer_, .file = checkpoint.file, .where = where_};
}

bool Minimization::restore(const Checkpoint& checkpoint, Identity identity, bool progress) {
  identity_ = std::move(identity);
  if (!checkpoint.resume) return false;
  const CheckpointName name = checkpoint_name(checkpoint);
  const auto say = [&](const std::string& text) {
    if (progress && comm().is_root()) emit(Severity::progress, text);
  };
  const FileText file = read_file(checkpoint.file, comm());
  if (file.status == FileText::Status::absent) {
    say(fmt::format("{}: there is no checkpoint '{}' yet, starting from the guess", optimizer_, checkpoint.file));
    return false;
  }
  comm().guarded([&] {
    if (file.status == FileText::Status::unreadable) name.refuse(fmt::format("'{}' on reading it", file.text));
    const std::string state = checked_state(file.text, name, identity_);
    Archive archive(state);
    fields(archive);
    if (!archive.rest().empty()) name.refuse("a state with more in it");
  });
  check_objective(name);
  if (progress_) progress_->start_at(step_);
  say(fmt::format("{}: going on from step {} of checkpoint '{}'", optimizer_, step_, checkpoint.file));
  return true;
}

void Minimization::check_objective(const CheckpointName& name) {
  if (first_.gradient.empty()) return;
  Point guess(first_.gradient);
  const auto key = std::exchange(evaluation_.randkey, first_.randkey);
  const bool was_evaluated = evaluate(space_.start(), guess);
  evaluation_.randkey = key;
  if (!was_evaluated) return;
  comm().guarded([&] {
    const auto check = [&](const std::string& what, double found, double here, double size) {
      if (is_same(found, here, size)) return;
      name.refuse(fmt::format("one of another objective: {} at the guess is {} here and {} in the file", what,
                              shown(here), shown(found)));
    };
    check("the loss", first_.loss, guess.loss, std::abs(first_.loss));
    for (std::size_t i = 0; i < names_.size(); ++i) {
      check("the gradient by " + names_[i], first_.gradient[i], guess.gradient[i], largest(first_.gradient));
    }
  });
}

void Minimization::remember_first(const Point& point) {
  locally([&] {
    if (first_.gradient.empty()) first_ = {point.gradient, point.loss, evaluation_.randkey};
  });
}

void Minimization::save_if_due(const Checkpoint& checkpoint) {
  if (ended() || step_ % checkpoint.every == 0) save(checkpoint);
}

void Minimization::save(const Checkpoint& checkpoint) {
  if (checkpoint.file.empty() || !comm().is_root()) return;
  if (failure_) return;  // the last step has left something undone
  try {
    Archive archive;
    fields(archive);
    write_checkpoint(checkpoint.file, identity_, archive.written());
  } catch (...) {
    if (std::exchange(cannot_save_, true)) return;
    locally([&] {
      warn(
          fmt::format("{}: the checkpoint '{}' could not be written at step {}: {}. The run goes on. Check that its "
                      "folder exists, may be written to and has room.",
                      optimizer_, checkpoint.file, step_, exception_text(std::current_exception())));
    });
  }
}

}  // namespace allgrad
