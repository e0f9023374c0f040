#pragma once

// The models of examples/models at work: data/models.json has their rows, and values that other software computed.

#include <nlohmann/json.hpp>
#include <string>

#include "allgrad/allgrad.hpp"

namespace allgrad::testing {

using Json = nlohmann::json;

/// A file of tests/data.
Json read_json(const std::string& name);

/// How rows are dealt out: this rank's share of `total` rows, [first, last).
using Split = std::pair<std::size_t, std::size_t> (*)(std::size_t total, int rank, int size);

std::pair<std::size_t, std::size_t> all_on_first(std::size_t total, int rank, int size);
std::pair<std::size_t, std::size_t> first_is_empty(std::size_t total, int rank, int size);
std::pair<std::size_t, std::size_t> uneven(std::size_t total, int rank, int size);
/// One row on the first rank, as many as smf has lanes on the second.
std::pair<std::size_t, std::size_t> one_and_eleven(std::size_t total, int rank, int size);

/// This rank's rows of the columns in a model's entry of models.json.
Table make_table(const Json& entry, Split split, const Communicator& comm);

}  // namespace allgrad::testing
