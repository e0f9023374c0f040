#!/usr/bin/env python3
"""Checks that the README's program prints what the README says it does: the counts of steps may differ between
processors, the parameters in their fifth decimal."""

import argparse
from pathlib import Path
import re
import subprocess


def fields(printed):
    return dict(re.findall(r'^ *([\w ]+): (.*)$', printed, re.MULTILINE))


def numbers(text):
    return [float(number) for number in text.strip('[]').split(', ')]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('readme', type=Path)
    parser.add_argument('command', nargs='+')
    args = parser.parse_args()

    shown = fields(re.search(r'^```text\n(.*?)^```$', args.readme.read_text(), re.MULTILINE | re.DOTALL)[1])
    printed = subprocess.run(args.command, check=True, text=True, stdout=subprocess.PIPE).stdout
    got = fields(printed)
    same = [got.keys() == shown.keys(), got['message'] == shown['message'], got['success'] == shown['success']]
    apart = [abs(a - b) for a, b in zip(numbers(got['x']), numbers(shown['x']), strict=True)]
    assert all(same) and max(apart) < 1e-5, f'the program printed\n{printed}'


main()
