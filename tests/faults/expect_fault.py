#!/usr/bin/env python3
"""Runs a program whose ranks part, and checks that it ends in time, with the exit code and what allgrad says."""

import argparse
import os
import re
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--exit', type=int, default=0, help='the exit code')
    parser.add_argument('--time-limit', default='', help='ALLGRAD_TIMEOUT')
    parser.add_argument('--pattern', action='append', default=[], help='a regular expression that a line matches')
    parser.add_argument('--within', type=float, default=60.0, metavar='SECONDS')
    parser.add_argument('command', nargs='+')
    args = parser.parse_args()

    env = os.environ | {'ALLGRAD_TIMEOUT': args.time_limit}
    process = subprocess.Popen(args.command, stderr=subprocess.PIPE, text=True, env=env)
    try:
        _, printed = process.communicate(timeout=args.within)
    except subprocess.TimeoutExpired:
        process.terminate()  # not kill, after which the launcher could not end its ranks
        _, printed = process.communicate()
        sys.exit(f'expected an end within {args.within} s, got none; printed:\n{printed}')
    # Open MPI 5 forwards its own texts with the NUL that ends them.
    lines = [line for line in printed.replace('\0', '').splitlines() if line.startswith('allgrad: ')]
    missing = [pattern for pattern in args.pattern if not any(re.search(pattern, line) for line in lines)]
    if process.returncode != args.exit or missing or (args.exit == 0 and lines):
        sys.exit(f'expected exit code {args.exit} and lines that match {args.pattern},\n'
                 f'got exit code {process.returncode}; no line matches {missing};\n'
                 f'printed on standard error:\n{printed}')


main()
