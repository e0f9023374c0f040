#include <fmt/format.h>
#include <mpi.h>

#include <xtensor/xarray.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xview.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>
