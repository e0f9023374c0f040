#!/usr/bin/env python3
"""Runs the program `models` on a number of ranks, compares what it writes with the reference, and sees that it refuses
what it cannot use. usage: models_program.py LAUNCHER RANKS PROGRAM REFERENCE"""

import json
import pathlib
import subprocess
import sys
import tempfile

launcher, ranks, program, reference = sys.argv[1:]
tolerances = {'sumstats': 1e-10, 'loss': 1e-10, 'dloss_dparams': 1e-10, 'dsumstats_dparams': 1e-8,
              'd2loss_dparams2': 1e-8}


def numbers(nested):
    return [number for part in nested for number in numbers(part)] if isinstance(nested, list) else [nested]


def run(*arguments):
    return subprocess.run([launcher, ranks, program, *map(str, arguments)], text=True, stderr=subprocess.PIPE)


def compare(folder, executor, split):
    done = run(reference, folder / 'out.json', '--executor', executor, '--split', split)
    assert done.returncode == 0, f'{executor}, {split}: exit code {done.returncode}, printed:\n{done.stderr}'
    expected, found = json.loads(pathlib.Path(reference).read_text()), json.loads((folder / 'out.json').read_text())
    assert list(found) == list(expected), f'wrote {list(found)}, expected {list(expected)}'
    for name, values in expected.items():
        assert set(found[name]) == set(tolerances), f'wrote {sorted(found[name])} of {name}'
        for key, tolerance in tolerances.items():
            pairs = list(zip(numbers(values[key]), numbers(found[name][key]), strict=True))
            for i, (x, y) in enumerate(pairs):
                assert abs(y - x) <= tolerance * abs(x), (
                    f'{executor}, {split}: {key}[{i}] of {name} is {y!r}, expected {x!r} to {tolerance} of it')


def refuse(folder, entries, *parts):
    (folder / 'in.json').write_text(entries)
    done = run(folder / 'in.json', folder / 'refused.json')
    lines = [line for line in done.stderr.splitlines() if line.startswith('allgrad: error: ')]
    assert done.returncode == 1 and len(lines) == 1, f'exit code {done.returncode}, printed:\n{done.stderr}'
    assert all(part in lines[0] for part in parts), f'expected {parts} in: {lines[0]}'
    assert not (folder / 'refused.json').exists()


with tempfile.TemporaryDirectory() as scratch:
    folder = pathlib.Path(scratch)
    for executor in 'tiled', 'reference':
        for split in 'even', 'uneven':
            compare(folder, executor, split)
    refuse(folder, '{"smf": {', 'expected JSON in', 'in.json')
    refuse(folder, '{"sfm": {}}', 'expected a model of', 'twostage', "got 'sfm'")
    refuse(folder, '{"smf": {"rows": {"log_mass": [10, 11]}}}', 'expected "params" in the entry of smf')
    refuse(folder, '{"smf": {"rows": {"log_mass": [10, "x"]}, "params": [-2, 0.3]}}', 'numbers', 'column log_mass of smf')
    refuse(folder, '{"smf": {"rows": {"log_m": [10, 11]}, "params": [-2, 0.3]}}', 'has no column "log_mass"', 'log_m')
    refuse(folder, '{"smf": {"rows": {"log_mass": [10, 11]}, "params": [-2]}}', 'expected 2 params of smf, got 1')
    missing = run(folder / 'none.json', folder / 'out.json')
    assert missing.returncode == 1 and "none.json' cannot be read" in missing.stderr, missing.stderr
