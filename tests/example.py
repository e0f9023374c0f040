#!/usr/bin/env python3
"""Runs an example on a number of ranks with few rows, and checks the numbers that it wrote for its figure or table.
usage: example.py LAUNCHER RANKS NAME PROGRAM REFERENCE, where REFERENCE has optax's paths on the fit of smf_fit."""

import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile

launcher, ranks, name, program, reference = sys.argv[1:]


def check(what, found, expected, tolerance):
    assert abs(found - expected) <= tolerance, f'{what} is {found!r}, expected {expected!r} to {tolerance}'


def falls(what, losses, factor):
    assert losses[-1] < factor * losses[0], f'{what} goes from {losses[0]} to {losses[-1]} only'


class Table:
    """The columns of a CSV file that an example wrote."""

    def __init__(self, folder, file, rows=None):
        with open(folder / file, newline='') as stream:
            lines = list(csv.DictReader(stream))
        assert lines and rows in (None, len(lines)), f'{file} has {len(lines)} rows, expected {rows}'
        self.columns = {column: [line[column] for line in lines] for column in lines[0]}

    def __getitem__(self, column):
        numbers = [float(text) for text in self.columns[column]]
        assert all(map(math.isfinite, numbers)), f'{column} has numbers that are not finite'
        return numbers

    def row(self, key):
        """The numbers of the row that starts with `key`."""
        columns = list(self.columns)
        i = self.columns[columns[0]].index(key)
        return {column: float(self.columns[column][i]) for column in columns[1:] if self.columns[column][i]}


def smf_fit(run):
    table = Table(run(10000), 'smf_fit.csv', 100)
    expected = json.loads(pathlib.Path(reference).read_text())
    for column, path in {'descent': expected['gradient_descent'], 'adam': expected['adam']}.items():
        for i, loss in enumerate(path['loss']):
            check(f'{column}_loss[{i}]', table[f'{column}_loss'][i], loss, 1e-10)
            check(f'{column}_log_f[{i}]', table[f'{column}_log_f'][i], path['params'][i][0], 1e-10)
            check(f'{column}_log_sigma[{i}]', table[f'{column}_log_sigma'][i], path['params'][i][1], 1e-10)
        falls(f'{column}_loss', table[f'{column}_loss'], 1e-3)


def bounds(run):
    table = Table(run(500), 'bounds.csv', 5)
    completeness, calibration, loss = (table.row(key) for key in ('completeness', 'calibration', 'loss'))
    check('completeness on its bound', completeness['lbfgsb'], 1.0, 0.0)
    assert 0.95 < completeness['adam'] < 1.0, f"Adam's completeness is {completeness['adam']}"
    for optimizer in 'adam', 'lbfgsb', 'lbfgsb_without_bounds':
        check(f'frozen parameter of {optimizer}', calibration[optimizer], 0.0, 0.0)
    for key, truth in {'log_f': -2.0, 'sigma': 0.2, 'completeness': 1.1}.items():
        check(f'{key} without bounds', table.row(key)['lbfgsb_without_bounds'], truth, 1e-4)
        check(f'{key} of Adam', table.row(key)['adam'], table.row(key)['lbfgsb'], 0.05)
    assert loss['lbfgsb_without_bounds'] < loss['lbfgsb'] < loss['adam'], f'losses are out of order: {loss}'


def stochastic(run):
    table = Table(run(1000), 'stochastic.csv', 301)

    def settled(column):
        last = table[column][-100:]
        mean = sum(last) / len(last)
        return mean, math.sqrt(sum((value - mean) ** 2 for value in last) / len(last))

    for parameter, truth in {'log_f': -2.0, 'log_sigma': -0.7}.items():
        mean, spread = settled(f'new_keys_{parameter}')
        check(f'mean {parameter} with new keys', mean, truth, 0.015)
        one_mean, one_spread = settled(f'one_key_{parameter}')
        check(f'{parameter} with one key', one_mean, truth, 0.06)
        assert abs(mean - truth) < abs(one_mean - truth), f'{parameter} is closer with one key'
        assert one_spread < 1e-3 < spread, f'{parameter} spreads by {spread} with new keys, by {one_spread} with one'


def lhs_scan(run):
    folder = run(500)
    scan, path = Table(folder, 'lhs_scan.csv', 300), Table(folder, 'lhs_scan_path.csv')
    for column, low, high in ('log_f', -4.0, 0.0), ('log_sigma', -1.5, 0.5):
        intervals = sorted(math.floor((value - low) / (high - low) * 300) for value in scan[column])
        assert intervals == list(range(300)), f'{column} is no Latin hypercube'
    best = scan['loss'].index(min(scan['loss']))
    for column, truth in ('log_f', -2.0), ('log_sigma', -0.7):
        check(f'start {column}', path[column][0], scan[column][best], 0.0)
        check(f'refined {column}', path[column][-1], truth, 1e-4)


def joint_fit(run):
    table = Table(run(2000), 'joint_fit.csv', 7)

    def chi_squared(of):
        columns = zip(table[of], table[f'{of}_error'], table[f'{of}_fit'], strict=True)
        return sum(((value - fit) / error) ** 2 for value, error, fit in columns)

    check('chi^2 of the counts', chi_squared('counts'), 4.9, 0.3)
    check('chi^2 of the halo masses', chi_squared('masses'), 4.3, 0.3)


def made_data(rows, ratio=2.0):
    """A fit that ends where its data was made from, with errors that are `ratio` times smaller for 4 times the rows:
    2 where the data are counts. `rows` are those of the figure's table."""
    def check_fit(run):
        fits = []
        for size in 1000, 4000:
            folder = run(size)
            Table(folder, f'{name}.csv', rows)
            fits.append(Table(folder, f'{name}_params.csv'))
        few, many = fits
        for i, param in enumerate(many.columns['param']):
            error = many['error'][i]
            frozen = many['guess'][i] == many['truth'][i]
            check(f'fitted {param}', many['fitted'][i], many['truth'][i], 0.0 if frozen else 1e-3 * error)
            check(f'error of {param} with fewer rows', few['error'][i], ratio * error, 0.15 * ratio * error)
            assert frozen == (error == 0.0), f'the error of {param} is {error}'

    return check_fit


with tempfile.TemporaryDirectory() as output:
    def run(rows):
        """Runs the example, and returns the folder with its results."""
        command = [launcher, ranks, program, '--rows', str(rows), '--output', output]
        printed = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
        assert len(printed.splitlines()) >= 4, f'expected a table, printed:\n{printed}'
        return pathlib.Path(output)

    checks = {check.__name__: check for check in (smf_fit, bounds, stochastic, lhs_scan, joint_fit)}
    checks |= {'hod': made_data(141), 'poisson': made_data(12), 'growth': made_data(20, ratio=1.0),
               'photometry': made_data(18), 'kernels': made_data(101), 'twostage': made_data(60)}
    checks[name](run)
