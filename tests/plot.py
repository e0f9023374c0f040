#!/usr/bin/env python3
"""Results as HDF5 are what they are as JSON, h5py reads them, and tools/plot draws all figures of both."""

import argparse
from datetime import datetime
import json
import math
from pathlib import Path
import subprocess
import sys
import tempfile

import h5py


def check_same(node, expected, where=''):
    """A group or dataset against what JSON has."""
    if isinstance(node, h5py.Group):
        items = list(expected.items()) if isinstance(expected, dict) else [(str(i), v) for i, v in enumerate(expected)]
        link = lambda name: name.replace('%', '%25').replace('/', '%2F')
        there = [(link(name), value) for name, value in items if value is not None]
        assert sorted(node) == sorted(name for name, _ in there), f'{where} has {list(node)}'
        for name, value in there:
            check_same(node[name], value, f'{where}/{name}')
        return
    found = node[()]
    if node.dtype.kind == 'S':
        found = node.asstr()[()]
    found = found.tolist() if hasattr(found, 'tolist') else found
    assert found == expected, f'{where} is {found}, not {expected}'


def check_values(folder, program):
    for kind in 'fit', 'path', 'scan':
        expected = json.loads((folder / f'{kind}.json').read_text())
        with h5py.File(folder / f'{kind}.h5') as file:
            check_same(file, expected)
            words = list(file['origin/command_line'].asstr())
            assert words == [str(program), str(folder)], words
            datetime.strptime(file['origin/time'].asstr()[()], '%Y-%m-%dT%H:%M:%SZ')
    with h5py.File(folder / 'fit.h5') as fit:
        assert fit['units'].asstr()[:].tolist() == ['mag', 'km/s', '']
        assert fit['success'][()] and fit['success'].dtype == bool
        assert fit['covariance/matrix'].shape == (3, 3)
        steps = fit['path/loss'].shape[0]
        assert fit['path/params'].shape == (steps, 3) and fit['path/terms/far'].shape == (steps,)
        total = fit['path/terms/near%2Ffield'][:] + 0.5 * fit['path/terms/far'][:]
        assert all(math.isclose(a, b, rel_tol=1e-12) for a, b in zip(total, fit['path/loss'][:]))
        assert fit['path/aux/near%2Ffield.chi2%2Fdof'].shape == (steps,)


def plot(tool, *args):
    return subprocess.run([sys.executable, tool, *map(str, args)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def check_figures(tool, folder):
    begins = {'.svg': b'<?xml', '.png': b'\x89PNG', '.pdf': b'%PDF'}
    for ending in '.h5', '.json':
        for kind, names in ('fit', ['path', 'statistics', 'corner', 'profile']), ('path', [None]), ('scan', [None]):
            for figure_ending, begin in begins.items():
                done = plot(tool, folder / f'{kind}{ending}', folder / f'{kind}{figure_ending}')
                assert done.returncode == 0 and not done.stderr, done.stderr
                files = [folder / f'{kind}{"." + name if name else ""}{figure_ending}' for name in names]
                assert done.stdout.split() == [str(file) for file in files], done.stdout
                for file in files:
                    assert file.read_bytes().startswith(begin), file
                    file.unlink()
    done = plot(tool, folder / 'fit.h5', folder / 'one.svg', '--only', 'corner')
    assert done.returncode == 0 and done.stdout.split() == [str(folder / 'one.svg')], done
    text = (folder / 'one.svg').read_text()
    assert 'slope/β [km/s]' in text and 'ln A [mag]' in text and 'fixed' not in text, 'the labels of the corner plot'
    refused = plot(tool, folder / 'path.h5', '--only', 'corner')
    assert refused.returncode == 1 and "no numbers for the figure 'corner', but for path" in refused.stderr, refused
    (folder / 'damaged.h5').write_bytes((folder / 'fit.h5').read_bytes()[:1000])
    refused = plot(tool, folder / 'damaged.h5')
    assert refused.returncode == 1 and 'expected a result that ag::save has written' in refused.stderr, refused


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--tool', required=True)
    parser.add_argument('launcher')
    parser.add_argument('ranks')
    parser.add_argument('program')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        subprocess.run([args.launcher, args.ranks, args.program, scratch], check=True, stdout=subprocess.DEVNULL)
        check_values(folder, args.program)
        check_figures(args.tool, folder)


main()
