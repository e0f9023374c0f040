#!/usr/bin/env python3
"""Runs a command and checks how it ends: its exit code, allgrad's lines on standard error, and how long it takes."""

import argparse
import re
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--exit', type=int, default=0, help='the exit code; -1 for any but 0')
    parser.add_argument('--line', action='append', default=[],
                        help='a line after "allgrad: "; all such lines are given, in any order, each as often as it comes')
    parser.add_argument('--pattern', action='append', default=[],
                        help='in place of lines: a regular expression that one of them matches')
    parser.add_argument('--every', default='', help='beside patterns: one that every line matches')
    parser.add_argument('--within', type=float, default=60.0, metavar='SECONDS')
    parser.add_argument('command', nargs='+')
    args = parser.parse_args()

    process = subprocess.Popen(args.command, stderr=subprocess.PIPE, text=True)
    try:
        _, printed = process.communicate(timeout=args.within)
    except subprocess.TimeoutExpired:
        process.terminate()  # not kill, after which the launcher could not end its ranks
        _, printed = process.communicate()
        sys.exit(f'expected an end within {args.within} s, got none; printed:\n{printed}')
    prefix = 'allgrad: '
    # Open MPI 5 forwards its own texts with the NUL that ends them.
    lines = [line.removeprefix(prefix) for line in printed.replace('\0', '').splitlines() if line.startswith(prefix)]
    if args.pattern:
        as_expected = all(any(re.search(pattern, line) for line in lines) for pattern in args.pattern)
        as_expected = as_expected and all(re.search(args.every, line) for line in lines)
    else:
        as_expected = sorted(lines) == sorted(args.line)
    code_is_expected = process.returncode != 0 if args.exit == -1 else process.returncode == args.exit
    if not code_is_expected or not as_expected:
        sys.exit(f'expected exit code {args.exit} and the lines {args.pattern or args.line},\n'
                 f'got exit code {process.returncode} and the lines {lines};\n'
                 f'printed on standard error:\n{printed}')


main()
