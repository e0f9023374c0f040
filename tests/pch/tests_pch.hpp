#include <fmt/format.h>
#if __has_include(<xmmintrin.h>)
#include <xmmintrin.h>  // where GCC 12 without optimization would not compile it after this header
#endif

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>
#include <xtensor/xadapt.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xview.hpp>

#include "allgrad/allgrad.hpp"
#include "catch.hpp"
