#!/usr/bin/env python3
"""Samples the posterior of the GAMA example on a number of ranks, with errors so small that the loss is a parabola where
the samples are: their covariances are those of the exact second derivatives to 10 percent.
usage: posterior.py LAUNCHER RANKS MAKE_HALOS POSTERIOR EXAMPLE_DATA"""

import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile

launcher, ranks, make_halos, posterior, data = sys.argv[1:]
SAMPLES = 6000  # with fewer, the covariances of two chains differ by 10 percent

with tempfile.TemporaryDirectory() as folder:
    halos = f"{folder}/halos.h5"
    subprocess.run([make_halos, "--rows", "3000", "--data", f"{data}/halo_mass_function.csv", halos], check=True)
    subprocess.run([launcher, ranks, posterior, halos, "--data", data, "--output", folder, "--errors", "0.2",
                    "--samples", str(SAMPLES)], check=True)
    result = json.loads(pathlib.Path(folder, "posterior.json").read_text())
    with open(pathlib.Path(folder, "posterior.csv"), newline="") as stream:
        names, *rows = csv.reader(stream)

ndim = 5
assert names == ["log_m1", "log_eps", "beta", "gamma", "log_sigma"] and len(rows) == SAMPLES
expected, sampled = result["covariance"], result["sampled"]
for i in range(ndim):
    for k in range(ndim):
        size = math.sqrt(expected[i * (ndim + 1)] * expected[k * (ndim + 1)])
        difference = (sampled[i * ndim + k] - expected[i * ndim + k]) / size
        assert abs(difference) < 0.1, f"the covariance of {names[i]} and {names[k]} differs by {difference:.3f}"
assert 0.6 < result["acceptance"] < 0.97, f"{result['acceptance']} of the proposals are accepted"
assert len({row[0] for row in rows}) > SAMPLES // 2, "the chain does not move"
