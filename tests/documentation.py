#!/usr/bin/env python3
"""Checks that each C++ block of the pages stands, byte for byte, in a source that the build compiles and runs: as the
whole file, or between the marks [shown] and [/shown]. What is marked is shown on some page."""

import argparse
from pathlib import Path
import re
from textwrap import dedent


def blocks(page):
    return re.findall(r'^```cpp\n(.*?)^```$', page.read_text(), re.MULTILINE | re.DOTALL)


def shown(source):
    code = source.read_text()
    marked = re.findall(r'^ *// \[shown\]\n(.*?)^ *// \[/shown\]$', code, re.MULTILINE | re.DOTALL)
    return [dedent(part).rstrip('\n') + '\n' for part in marked] or [code]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--page', type=Path, action='append', required=True)
    parser.add_argument('source', type=Path, nargs='+')
    args = parser.parse_args()

    on_pages = {block: page for page in args.page for block in blocks(page)}
    in_sources = {part: source for source in args.source for part in shown(source)}
    wrong = [f'{page} shows what no source has:\n{block}' for block, page in on_pages.items() if block not in in_sources]
    wrong += [f'{source} has what no page shows:\n{part}' for part, source in in_sources.items() if part not in on_pages]
    assert on_pages and not wrong, '\n' + '\n'.join(wrong)


main()
