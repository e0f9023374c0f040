#!/usr/bin/env python3
"""A dump of a program becomes one page with a graph for each stage that has one, and the text of all."""

import argparse
import json
import os
from pathlib import Path
import re
import subprocess
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--tool', required=True)
    parser.add_argument('program', nargs='+')
    args = parser.parse_args()
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


main()
