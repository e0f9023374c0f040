#!/usr/bin/env python3
"""A dump of a program becomes one page with a graph for each stage that has one, the text of all, and ranges of values.
With --browser, a headless Chromium follows addresses of the page: what a click, the search and the buttons show."""

import argparse
import json
import os
from pathlib import Path
import re
import subprocess
import shutil
import sys
import tempfile
from urllib.parse import urlencode


def shown(browser, page, **address):
    """The text of an element by its id, as a function, once the page is at this address."""
    url = f'{page.as_uri()}#{urlencode(address)}'
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, '--headless', '--no-sandbox', '--disable-gpu', f'--user-data-dir={profile}', '--dump-dom', url]
        dom = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=100).stdout

    def text(name):
        element = re.search(fr'<(\w+)[^>]* id="{name}"[^>]*>(.*?)</\1>|<(\w+) id="{name}"[^>]*>(.*?)</\3>', dom, re.DOTALL)
        return re.sub(r'<[^>]+>', ' ', element.group(2) or element.group(4) or '')

    return text


def look(browser, page, data):
    """At the program of the loss, gradient and aux values: its line 16 has an exponential."""
    which = next(i for i, c in enumerate(data) if c['name'].endswith('loss-aux-values-gradient'))
    stages = data[which]['stages']
    built = next(s for s in stages if s['name'] == 'built')
    node = re.search(r'^%(\d+) = exp\(%(\d+)\)', built['text'], re.MULTILINE)
    low, high, bad = built['values'][int(node.group(1))]
    assert bad == '0' and 0.0 < float(low) < float(high) <= 1.0, (low, high)
    text = shown(browser, page, compilation=which, stage=built['number'], node=node.group(1), search='exp(')
    told = ' '.join(text('node').split())
    assert told.startswith(f'exp shape [rows, 3] placement per_row half forward line dump_program.cpp:16 values {low} to {high}'), told
    assert f'operands %{node.group(2)} = neg(' in told and 'used by' in told, told
    assert text('found') == '1 found' and text('title') == f'{built["number"]} built', text('found') + text('title')

    cancel = next(s for s in stages if s['name'] == 'cancel shares')
    for flag, count in (({'before': ''}, '1 found'), ({}, '0 found')):  # the pass takes the share away
        text = shown(browser, page, compilation=which, stage=cancel['number'], search='share', **flag)
        assert text('found') == count and text('title').startswith('before' if flag else 'after'), text('found') + text('title')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--tool', required=True)
    parser.add_argument('--browser', help='a Chromium to look with')
    parser.add_argument('program', nargs='+')
    args = parser.parse_args()
    if args.browser and not shutil.which(args.browser):
        print(f'there is no {args.browser} here')
        sys.exit(77)
    with tempfile.TemporaryDirectory() as scratch:
        dump = Path(scratch) / 'dump'
        dump.mkdir()
        empty = subprocess.run([args.tool, dump], text=True, stderr=subprocess.PIPE)
        assert empty.returncode == 1 and 'found no index.txt' in empty.stderr, empty.stderr

        subprocess.run(args.program, check=True, stdout=subprocess.DEVNULL, env={**os.environ, 'ALLGRAD_DUMP': str(dump)})
        subprocess.run([args.tool, dump], check=True, stdout=subprocess.DEVNULL)
        page = (dump / 'graph-view.html').read_text()
        assert not re.search(r'(src|href)="(?!#)[^"]*//', page), 'the page needs other files'
        data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL).group(1))
        folders = sorted(path.parent for path in dump.glob('**/index.txt'))
        assert [c['name'] for c in data] == [folder.name for folder in folders]
        for compilation, folder in zip(data, folders):
            drawn = [s['number'] for s in compilation['stages'] if s['svg']]
            assert drawn == sorted(path.name[:2] for path in folder.glob('*.dot')), drawn
            for stage in compilation['stages']:
                if stage['svg']:
                    numbers = set(re.findall(r'<title>n(\d+)</title>', stage['svg']))
                    lines = set(re.findall(r'^%(\d+) = ', stage['text'], re.MULTILINE))
                    assert numbers and numbers <= lines, f'{folder.name}, stage {stage["number"]}: {numbers - lines}'
                    for number in numbers:  # the picture and the text speak of the same node
                        drawn = re.search(fr'<title>n{number}</title>.*?</g>', stage['svg'], re.DOTALL).group()
                        line = re.search(fr'^%{number} = .*$', stage['text'], re.MULTILINE).group()
                        for written in re.findall(r'>(\w+\.cpp:\d+)<', drawn):
                            assert written in line, drawn + line
                if stage['values']:
                    assert len(stage['values']) == len(re.findall(r'^%', stage['text'], re.MULTILINE))
        if args.browser:
            look(args.browser, dump / 'graph-view.html', data)


main()
