#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

#include "allgrad/allgrad.hpp"
