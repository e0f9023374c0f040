#!/usr/bin/env python3
"""Kills fits at random moments, goes on from their checkpoints, and compares every number with those of a fit that was
left alone."""

import argparse
import os
import random
import subprocess
import tempfile
import time


def start(args, optimizer, file):
    """A fit that has just begun."""
    command = [args.launcher, '1', args.program, optimizer, file]
    # Without a buffer, which `communicate` would not look into, though it may hold all that a short fit prints.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
    assert process.stdout.readline() == b'started\n', process.communicate()
    return process


def fit(args, optimizer, file):
    """What it prints, and how many seconds it takes."""
    process = start(args, optimizer, file)
    begin = time.monotonic()
    printed, said = process.communicate(timeout=30)
    assert process.returncode == 0, f'{optimizer} ended with {process.returncode}:\n{said.decode()}'
    return printed.decode(), said.decode(), time.monotonic() - begin


def kill(args, optimizer, file, after):
    """Whether it was killed before its end."""
    process = start(args, optimizer, file)
    try:
        process.communicate(timeout=after)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True


def check(args, optimizer, folder, kills):
    expected, _, seconds = fit(args, optimizer, os.path.join(folder, optimizer))
    file = os.path.join(folder, optimizer + '_killed')
    # Each goes on from the one before, so that together they take about as long as the fit.
    killed = sum(kill(args, optimizer, file, random.uniform(0.0, 1.4 / kills) * seconds) for _ in range(kills))
    found, said, _ = fit(args, optimizer, file)
    print(f'{optimizer}: killed {killed} of {kills} times within {seconds:.2f} s; {said.strip()}')
    assert killed > 0, f'{optimizer}: no run was killed'
    assert 'going on from step' in said, f'{optimizer} did not go on from its checkpoint'
    assert found == expected, f'{optimizer}: expected\n{expected}\ngot after {killed} kills\n{found}'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('launcher')
    parser.add_argument('program')
    parser.add_argument('--seed', type=int, default=random.randrange(10**6))
    args = parser.parse_args()
    print('seed', args.seed)  # the moments depend on the machine too
    random.seed(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        for optimizer, kills in ('adam', 7), ('gradient_descent', 6), ('lbfgsb', 7):
            check(args, optimizer, folder, kills)


main()
