#!/usr/bin/env python3
"""Looks at what ALLGRAD_DUMP writes: a folder for each compilation with a file for each stage, the same bytes in two
runs; and at what happens where it cannot be written."""

import argparse
import os
import pathlib
import re
import subprocess
import tempfile

INDEX_LINE = re.compile(r'(\d\d) (\S.*?\S) +\d+ nodes( -> +\d+|, unchanged)?(?: +(\d+) us)?')
PASSES = ['built', 'insert allreduce', 'differentiate', 'cancel shares', 'fold constants']


def run(args, dump):
    """What the program prints, and what it says on standard error."""
    environment = {name: value for name, value in os.environ.items() if name != 'ALLGRAD_DUMP'}
    if dump is not None:
        environment['ALLGRAD_DUMP'] = str(dump)
    done = subprocess.run([args.launcher, args.ranks, args.program], capture_output=True, text=True, env=environment,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def contents(folder):
    """Of all files, by their paths in the folder; times are left out."""
    files = {path.relative_to(folder): path.read_text() for path in folder.rglob('*') if path.is_file()}
    return {path: re.sub(r' *\d+ us', '', text) if path.name == 'index.txt' else text for path, text in files.items()}


def check_index(folder):
    """Each stage has a line, and files where it has changed the graph."""
    stages, count = {}, 0
    for line in (folder / 'index.txt').read_text().splitlines():
        match = INDEX_LINE.fullmatch(line)
        if not match:
            count += 1
            continue  # a choice, or a stage of the executor
        number, stage, nodes, time = match.groups()
        assert int(number) == count and (time or stage == 'built'), line
        count += 1
        stages[stage] = stages.get(stage, False) or nodes != ', unchanged'
        name = f'{number}-{stage.replace(" ", "-")}'
        for suffix in ['.txt', '.dot']:
            changed = nodes != ', unchanged'
            assert (folder / (name + suffix)).is_file() == changed, f'{folder}/{name}{suffix}: {line}'
    return stages


def check_values(folder, ranks, loss):
    """Of the program that was evaluated first: ranges over the rows of all ranks, of the first and the last graph."""
    ranges = sorted(folder.joinpath('communicator-1-model-0-loss-aux-values-gradient').glob('*.values'))
    assert len(ranges) == 2 and ranges[0].name.endswith('-built.values'), ranges
    for file in ranges:
        lines = file.with_suffix('.txt').read_text().splitlines()
        values = [line.split() for line in file.read_text().splitlines()[1:]]
        assert [line[0] for line in values] == [line.split()[0] for line in lines if line.startswith('%')]
        (column,) = (i for i, line in enumerate(lines) if 'column halos.log_mass' in line)
        assert values[column][1:] == ['0', f'{0.1 * (4 * ranks - 1):.6g}', '0'], values[column]
        (result,) = (line.split('%')[1] for line in lines if line.startswith('loss = '))
        assert values[int(result)][1:] == [f'{loss:.6g}', f'{loss:.6g}', '0'], values[int(result)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('launcher')
    parser.add_argument('ranks')
    parser.add_argument('program')
    args = parser.parse_args()
    printed, _ = run(args, None)
    with tempfile.TemporaryDirectory() as base:
        first, second = pathlib.Path(base, 'made', 'here'), pathlib.Path(base, 'second')
        for folder in (first, second):
            assert run(args, folder) == (printed, ''), 'a dump has changed what the program prints'
        assert contents(first) == contents(second)

        names = sorted(path.name for path in first.iterdir())
        start = 'communicator-1-model-0-loss'
        gradient = start + '-gradient'
        # -2: of the model that is built anew, and of frozen parameters
        expected = [gradient, gradient + '-2', start + '-aux-values', start + '-aux-values-gradient',
                    start + '-aux-values-gradient-2']
        assert set(names) == set(expected), names
        for name in names:
            stages = check_index(first / name)
        missing = [stage for stage in PASSES if not stages.get(stage)]  # the last name is of a gradient
        assert not missing, f'{missing} not in {stages}'
        built = sorted(first.joinpath(gradient).glob('*-built.txt'))[0]
        text = built.read_text()
        assert 'dump_program.cpp:' in text and 'allreduce' not in text and 'loss = %' in text, text
        check_values(first, int(args.ranks), float(printed.split()[0]))
        last = sorted(first.joinpath(gradient).glob('*.dot'))[-1].with_suffix('.txt').read_text()
        assert 'allreduce' in last and 'gradient = %' in last and 'share(' not in last, last
        assert built.with_suffix('.dot').read_text().startswith('digraph')
        for stage in ('schedule', 'bound-program'):
            assert list(first.joinpath(gradient).glob(f'*-{stage}.txt')), f'no {stage}'

        file = pathlib.Path(base, 'file')
        file.write_text('')
        for unwritable in (file, file / 'below'):
            again, said = run(args, unwritable)
            assert again == printed
            warnings = [line for line in said.splitlines() if 'warning' in line]
            assert len(warnings) == 1 and str(unwritable) in said and 'ALLGRAD_DUMP' in said, said


if __name__ == '__main__':
    main()
