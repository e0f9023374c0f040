#!/usr/bin/env python3
"""Compiles mistakes that users make: the first error names the mistake and what to write instead."""

import argparse
from pathlib import Path
import re
import subprocess
import tempfile


def precompile(compiler, flags, folder):
    """g++ finds the compiled header in front of the header itself."""
    header = folder / 'header.hpp'
    header.write_text('#include <allgrad/allgrad.hpp>\n')
    (folder / 'allgrad').mkdir()
    subprocess.run([*compiler, '-std=c++20', *flags, '-x', 'c++-header', header, '-o', folder / 'allgrad' / 'allgrad.hpp.gch'],
                   check=True)


def check(compiler, flags, source):
    text = source.read_text()
    expected = re.search(r'^// expects: (.*)$', text, re.MULTILINE)
    options = re.search(r'^// options: (.*)$', text, re.MULTILINE)
    command = [*compiler, '-std=c++20', *flags, *(options.group(1).split() if options else []), '-fsyntax-only', source]
    result = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    errors = [line for line in result.stdout.splitlines() if ' error: ' in line or ' error: ' in line.replace('fatal ', '')]
    if expected is None:
        return [] if result.returncode == 0 else [f'{source.name} does not compile: {errors[:1]}']
    if not errors:
        return [f'{source.name} compiles']
    if re.search(expected.group(1), errors[0]) is None:
        return [f'{source.name}: expected "{expected.group(1)}" in the first error, got: {errors[0]}']
    return []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--flag', action='append', default=[])
    parser.add_argument('--source', type=Path, action='append', required=True)
    parser.add_argument('compiler', nargs='+')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        precompile(args.compiler, args.flag, Path(folder))
        flags = [f'-I{folder}', *args.flag]
        wrong = [line for source in args.source for line in check(args.compiler, flags, source)]
    assert not wrong, '\n' + '\n'.join(wrong)


main()
