#!/usr/bin/env python3
"""Runs the GAMA example on a number of ranks and compares its fit.json with the values in data/gama_fit.json, which
SciPy and JAX computed. usage: gama_fit.py LAUNCHER RANKS MAKE_HALOS GAMA_SMF EXAMPLE_DATA REFERENCE"""

import json
import pathlib
import subprocess
import sys
import tempfile

launcher, ranks, make_halos, gama_smf, data, reference_file = sys.argv[1:]
reference = json.loads(pathlib.Path(reference_file).read_text())


def check(name, value, expected, relative=0.0, absolute=0.0):
    if abs(value - expected) > relative * abs(expected) + absolute:
        sys.exit(f"{name} is {value!r}, expected {expected!r}")


with tempfile.TemporaryDirectory() as folder:
    halos = f"{folder}/halos.h5"
    rows = str(reference["rows"])
    subprocess.run([make_halos, "--rows", rows, "--data", f"{data}/halo_mass_function.csv", halos], check=True)
    subprocess.run([launcher, ranks, gama_smf, halos, "--data", data, "--output", folder], check=True)
    fit = json.loads(pathlib.Path(folder, "fit.json").read_text())
    run = [launcher, ranks, gama_smf, halos, "--data", data, "--output", folder, "--second-order"]
    subprocess.run(run, check=True)
    second_order = json.loads(pathlib.Path(folder, "fit.json").read_text())
    graph = pathlib.Path(folder, "smf.dot").read_text()

check("loss_at_guess", fit["loss_at_guess"], reference["loss_at_guess"], relative=1e-10)
for i, (value, expected) in enumerate(zip(fit["gradient_at_guess"], reference["gradient_at_guess"], strict=True)):
    check(f"gradient_at_guess[{i}]", value, expected, relative=1e-10)
check("loss", fit["loss"], reference["loss_at_best"], relative=1e-6)
for i, (value, expected) in enumerate(zip(fit["params"], reference["best"], strict=True)):
    check(f"params[{i}]", value, expected, absolute=1e-3)
for i, (value, expected) in enumerate(zip(fit["standard_errors"], reference["standard_errors"], strict=True)):
    check(f"standard_errors[{i}]", value, expected, relative=1e-2)
for i, (value, expected) in enumerate(zip(fit["sumstats"], reference["sumstats_at_best"], strict=True)):
    check(f"sumstats[{i}]", value, expected, relative=1e-3)
check("loss of the second-order fit", second_order["loss"], reference["loss_at_best"], relative=1e-6)
if not second_order["success"] or 2 * second_order["nfev"] > fit["nfev"]:
    sys.exit(f"the second-order fit takes more than half the evaluations, {second_order['nfev']} of {fit['nfev']}")
if not fit["success"] or fit["nit"] < 5 or fit["nfev"] < fit["nit"] or fit["seconds"] <= 0 or fit["peak_memory_mb"] <= 0:
    sys.exit(f"the fit did not end well: {fit}")
if graph.count("<b>allreduce</b>") != 1:
    sys.exit("the graph does not have one allreduce, of the statistics and their derivatives")
