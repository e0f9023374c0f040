#!/usr/bin/env python3
"""The site of the pages is built without warnings and stands alone: all links, of files and of places in them, and all
figures are there, nothing is loaded from elsewhere, and each page can be reached from the first."""

import argparse
from html.parser import HTMLParser
from pathlib import Path
import subprocess
import tempfile
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.places = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.places.update(attributes[name] for name in ('id', 'name') if attributes.get(name))
        if tag == 'a' and 'href' in attributes:
            self.links.append(attributes['href'])
        if tag in ('link', 'use') and 'href' in attributes and attributes.get('rel') != 'canonical':
            self.loaded.append(attributes['href'])
        if 'src' in attributes:
            self.loaded.append(attributes['src'])


def wrong_links(site, pages):
    wrong = []
    for path, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme == 'data' or (parts.scheme and link in page.links):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if parts.scheme or parts.netloc:
                wrong.append(f'{path.relative_to(site)} loads {link}')
            elif not target.is_file():
                wrong.append(f'{path.relative_to(site)}: nothing is at {link}')
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                wrong.append(f'{path.relative_to(site)}: no such place, {link}')
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('root', type=Path)
    args = parser.parse_args()
    tool = args.root / 'tools' / 'site'
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch).resolve() / 'site'
        for _ in range(2):  # the second one replaces the first
            made = subprocess.run([tool, site], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert made.returncode == 0 and made.stdout == f'{site}/index.html\n', made.stdout
        pages = {path: Page(path) for path in site.rglob('*.html')}
        assert not (wrong := wrong_links(site, pages)), '\n'.join(wrong)

        names = ['index', 'CHANGELOG', 'CONTRIBUTING', *(f'docs/{page.stem}' for page in (args.root / 'docs').glob('*.md'))]
        links = {link.split('#')[0] for link in pages[site / 'index.html'].links} | {'index.html'}
        assert not (missing := {name + '.html' for name in names} - links), f'the first page has no links to {missing}'
        assert '<h1>' in (site / 'docs' / 'concepts.html').read_text() and (site / 'searchindex.js').exists()
        figures = [link for page in pages.values() for link in page.loaded if link.endswith('.svg')]
        assert figures, 'no figure'

        other = Path(scratch) / 'other'
        other.mkdir()
        (other / 'thesis.tex').write_text('')
        refused = subprocess.run([tool, other], text=True, stderr=subprocess.PIPE)
        assert refused.returncode == 1 and 'name another folder' in refused.stderr and (other / 'thesis.tex').exists()


main()
