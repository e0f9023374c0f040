#pragma once

#include <concepts>
#include <type_traits>

#include "allgrad/optimize_result.hpp"
#include "allgrad/param_scan.hpp"
#include "allgrad/trajectory.hpp"

// The fields of results, by the names that they have in files, for writing as for reading: `field(name, value)`.
namespace allgrad {

template <class T, class Class>
concept Is = std::same_as<std::remove_const_t<T>, Class>;

void visit(auto field, Is<Origin> auto& origin) {
  field("version", origin.version);
  field("command_line", origin.command_line);
  field("time", origin.time);
}

void visit(auto field, Is<BestPoint> auto& best) {
  field("loss", best.loss);
  field("params", best.params);
  field("step", best.step);
}

void visit(auto field, Is<Path> auto& path) {
  field("loss", path.loss);
  field("params", path.params);
  field("aux", path.aux);
  field("terms", path.terms);
}

void visit(auto field, Is<Comparison> auto& comparison) {
  field("model", comparison.model);
  field("data", comparison.data);
  field("errors", comparison.errors);
  field("x", comparison.x);
  field("x_label", comparison.x_label);
  field("label", comparison.label);
}

void visit(auto field, Is<Profile> auto& profile) {
  field("name", profile.name);
  field("values", profile.values);
  field("losses", profile.losses);
  field("params", profile.params);
  field("success", profile.success);
  field("minimum", profile.minimum);
  field("loss", profile.loss);
}

void visit(auto field, Is<Covariance> auto& covariance) {
  field("names", covariance.names);
  field("units", covariance.units);
  field("values", covariance.values);
  field("matrix", covariance.matrix);
  field("frozen", covariance.frozen);
  field("at_bounds", covariance.at_bounds);
  field("loss", covariance.loss);
  field("errordef", covariance.errordef);
  field("distance", covariance.distance);
}

void visit(auto field, Is<Trajectory> auto& path) {
  field("names", path.names);
  field("units", path.units);
  field("message", path.message);
  field("end_reason", path.end_reason);
  field("success", path.success);
  field("best", path.best);
  field("skipped", path.skipped);
  field("not_finite", path.not_finite);
  field("loss", path.loss);
  field("params", path.params);
  field("aux", path.aux);
  field("terms", path.terms);
  field("weights", path.weights);
  field("randkey", path.randkey);
  field("origin", path.origin);
}

void visit(auto field, Is<OptimizeResult> auto& fit) {
  field("names", fit.names);
  field("units", fit.units);
  field("message", fit.message);
  field("end_reason", fit.end_reason);
  field("success", fit.success);
  field("fun", fit.fun);
  field("x", fit.x);
  field("jac", fit.jac);
  field("at_bounds", fit.at_bounds);
  field("nfev", fit.nfev);
  field("nit", fit.nit);
  field("hess_inv", fit.hess_inv);
  field("best", fit.best);
  field("backed_off", fit.backed_off);
  field("not_finite", fit.not_finite);
  field("aux", fit.aux);
  field("terms", fit.terms);
  field("weights", fit.weights);
  field("path", fit.path);
  field("randkey", fit.randkey);
  field("origin", fit.origin);
  field("covariance", fit.covariance);
  field("statistics", fit.statistics);
  field("profiles", fit.profiles);
}

void visit(auto field, Is<ParamScan> auto& scan) {
  field("names", scan.names);
  field("units", scan.units);
  field("seed", scan.seed);
  field("params", scan.params);
  field("losses", scan.losses);
  field("sumstats", scan.sumstats);
  field("aux", scan.aux);
  field("terms", scan.terms);
  field("weights", scan.weights);
  field("randkey", scan.randkey);
  field("origin", scan.origin);
}

template <class T>
concept HasFields = requires(T& value) {
  visit([](const char*, auto&) {}, value);
};

}  // namespace allgrad
