#!/usr/bin/env python3
"""Sources of the library are compiled several at once, where a name in one's unnamed namespace hides one of namespace
allgrad from all behind it. So types and functions there have names that nothing outside has, and types names that no
other file has at all. usage: names_apart.py SOURCE_ROOT"""

import collections
import pathlib
import re
import sys

TYPE = re.compile(r'(?:struct|class|enum class)\s+(\w+)\b(?!;)|using (\w+) =')
FUNCTION = re.compile(r'(?!return|using|namespace|template|struct|class)[\w\[][\w:<>,&*\[\] ]*[ &*](\w+)\(')


def definitions(path):
    """(kind, name, whether it is in an unnamed namespace) of what a file declares in namespace allgrad."""
    namespaces = []
    for line in path.read_text().splitlines():
        opened = re.match(r'(?:inline )?namespace ?([\w:]*) ?{(.*)', line)
        if opened and '}' not in opened[2]:
            namespaces.append(opened[1])
        elif line.startswith('}  // namespace'):
            namespaces.pop()
        elif namespaces in (['allgrad'], ['allgrad', '']):
            if found := TYPE.match(line):
                yield 'type', found[1] or found[2], namespaces[-1] == ''
            elif found := FUNCTION.match(line):
                yield 'function', found[1], namespaces[-1] == ''


root = pathlib.Path(sys.argv[1])
files = [path for folder in ('include', 'dsl', 'src') for path in sorted((root / folder).rglob('*.[ch]pp'))
         if path.name not in ('kernels.cpp', 'no_machine_code.cpp')]
hidden, known, types = (collections.defaultdict(set) for _ in range(3))
for path in files:
    for kind, name, is_hidden in definitions(path):
        (hidden if is_hidden else known)[name].add(path.relative_to(root))
        if kind == 'type':
            types[name].add(path.relative_to(root))
assert len(known) > 500 and len(hidden) > 500, f'found {len(known)} names and {len(hidden)} in unnamed namespaces'

wrong = [f'{name}: in {", ".join(map(str, sorted(places)))}, and outside of unnamed namespaces in '
         f'{", ".join(map(str, sorted(known[name])))}' for name, places in sorted(hidden.items()) if name in known]
wrong += [f'{name}: a type in {", ".join(map(str, sorted(places)))}' for name, places in sorted(types.items())
          if name in hidden and len(places) > 1]
print('\n'.join(wrong))
sys.exit(bool(wrong))
