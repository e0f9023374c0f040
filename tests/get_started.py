#!/usr/bin/env python3
"""Follows docs/get-started.md: makes its data with the script that stands there, runs its program on some ranks, and
compares what that prints with the page, and with a fit by Gauss and Newton's method in Python."""

import argparse
import csv
import math
from pathlib import Path
import re
import subprocess
import sys
import tempfile


def block(page, language):
    return re.search(fr'^```{language}\n(.*?)^```$', page, re.MULTILINE | re.DOTALL).group(1)


def solve(matrix, vector):
    """By elimination: the solution of a system with a positive definite matrix."""
    rows = [[*row, number] for row, number in zip(matrix, vector)]
    for i, pivot in enumerate(rows):
        for row in rows[:i] + rows[i + 1:]:
            factor = row[i] / pivot[i]
            row[:] = [a - factor * b for a, b in zip(row, pivot)]
    return [row[-1] / row[i] for i, row in enumerate(rows)]


def fitted(rows):
    """Background, height and lifetime, and their standard errors."""
    params = [1.0, 5.0, 2.5]
    for _ in range(10):
        curvature, slope = [[0.0] * 3 for _ in range(3)], [0.0] * 3
        for time, light, error in rows:
            fading = math.exp(-time / params[2])
            residual = (light - params[0] - params[1] * fading) / error
            by_params = [1 / error, fading / error, params[1] * fading * time / params[2]**2 / error]
            for i in range(3):
                slope[i] += by_params[i] * residual
                for k in range(3):
                    curvature[i][k] += by_params[i] * by_params[k]
        params = [a + b for a, b in zip(params, solve(curvature, slope))]
    return params, [math.sqrt(solve(curvature, [float(k == i) for k in range(3)])[i]) for i in range(3)]


def results(printed):
    """[(name, value, error)] of the table of errors."""
    return [(name, float(value), float(error)) for name, value, error in re.findall(r'^ *(\w+) = +(\S+) \+- (\S+)', printed, re.MULTILINE)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('page', type=Path)
    parser.add_argument('launcher')
    parser.add_argument('ranks')
    parser.add_argument('program')
    args = parser.parse_args()
    page = args.page.read_text()
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / 'decay.csv'
        with data.open('w') as file:
            subprocess.run([sys.executable, '-c', block(page, 'python')], check=True, stdout=file)
        printed = subprocess.run([args.launcher, args.ranks, Path(args.program).resolve()], check=True, cwd=scratch, text=True,
                                 stdout=subprocess.PIPE).stdout
        with data.open() as file:
            params, errors = fitted([tuple(map(float, row)) for row in list(csv.reader(file))[1:]])
    got, shown = results(printed), results(block(page, 'text'))
    assert [name for name, *_ in got] == ['background', 'height', 'lifetime'] == [name for name, *_ in shown], printed
    for (name, value, error), (_, shown_value, shown_error), expected, spread in zip(got, shown, params, errors):
        assert abs(value - expected) < 1e-2 * spread and abs(error - spread) < 2e-2 * spread, f'{name}: {value} +- {error}, not {expected} +- {spread}'
        assert abs(shown_value - value) < 1e-4 and abs(shown_error - error) < 1e-4, f'the page has {shown_value} +- {shown_error}, got {printed}'
    assert 'success: true' in printed and '20000 rows' in printed, printed


main()
