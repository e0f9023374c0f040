#!/usr/bin/env python3
"""Installs allgrad into a scratch folder, looks at its headers, builds and runs a user's program against it, and compiles
an example outside of the tree."""

import argparse
import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess
import tempfile


def output_of(command, **more):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def check_headers(include):
    """The installed headers are those that allgrad.hpp includes, and know nothing but the public dependencies."""
    reached, to_read = set(), ['allgrad/allgrad.hpp']
    while to_read:
        name = to_read.pop()
        if name in reached:
            continue
        reached.add(name)
        text = (include / name).read_text()
        to_read += re.findall(r'#include "(.+?)"', text)
        for header in re.findall(r'#include <(.+?)>', text):
            assert re.fullmatch(r'mpi\.h|[a-z_]+|(fmt|xtensor)/\S+', header), f'{name} includes <{header}>'
    installed = {str(path.relative_to(include)) for path in include.rglob('*') if path.is_file()}
    assert installed == reached, f'installed, but not reached from allgrad.hpp: {sorted(installed - reached)}'


def check_output_of(launcher, program):
    printed = output_of([launcher, '2', program])
    assert printed == '1.500000 on 2 ranks\n', f'the program printed {printed!r}'


def build_by_cmake(args, prefix, build):
    source = Path(args.program).parent
    env = {**os.environ, 'CXX': ' '.join(args.compiler)}
    for command in [[args.cmake, '-S', source, '-B', build, f'-DCMAKE_PREFIX_PATH={prefix}'], [args.cmake, '--build', build]]:
        subprocess.run(command, check=True, env=env)
    check_output_of(args.launcher, build / 'program')


def check_examples(examples):
    """Examples include their own folder, allgrad.hpp and dependencies alone."""
    for source in sorted(examples.rglob('*.[ch]pp')):
        for header in re.findall(r'#include "(.+?)"', source.read_text()):
            known = header == 'allgrad/allgrad.hpp' or (source.parent / header).exists()
            assert known, f'{source.name} includes "{header}", which is not there where allgrad is installed'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--meson', required=True)
    parser.add_argument('--build', required=True, help='the build folder to install from')
    parser.add_argument('--prefix', required=True, help='the prefix that it is set up with')
    parser.add_argument('--libdir', required=True)
    parser.add_argument('--bindir', required=True)
    parser.add_argument('--launcher', required=True)
    parser.add_argument('--program', required=True, help="the user's source file")
    parser.add_argument('--examples', type=Path, required=True)
    parser.add_argument('--mpicxx', help="MPI's compiler, to build the program with instead")
    parser.add_argument('--cmake', help='CMake, to build the program with instead')
    parser.add_argument('compiler', nargs='+')
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([args.meson, 'install', '-C', args.build, '--no-rebuild', '--quiet', '--destdir', scratch],
                       check=True)
        prefix = Path(scratch + args.prefix)
        check_headers(prefix / 'include')
        assert 'figures of what ag::save has written' in output_of([prefix / args.bindir / 'allgrad-plot', '--help'])

        libdir = prefix / args.libdir
        if args.cmake:
            build_by_cmake(args, prefix, Path(scratch) / 'build')
            return
        pc_file = libdir / 'pkgconfig' / 'allgrad.pc'  # knows the place by itself only where it is relocatable
        pc_file.write_text(re.sub('^prefix=/.*$', f'prefix={prefix}', pc_file.read_text(), flags=re.MULTILINE))
        paths = [str(libdir / 'pkgconfig'), os.environ.get('PKG_CONFIG_PATH', '')]
        flags = shlex.split(output_of(['pkg-config', '--cflags', '--libs', 'allgrad'],
                                      env={**os.environ, 'PKG_CONFIG_PATH': ':'.join(filter(None, paths))}))
        env = {**os.environ, 'OMPI_CXX': args.compiler[-1], 'MPICH_CXX': args.compiler[-1]}
        program = Path(scratch) / 'program'
        compiler = [args.mpicxx] if args.mpicxx else args.compiler
        subprocess.run([*compiler, '-std=c++20', args.program, '-o', program, *flags, f'-Wl,-rpath,{libdir}'],
                       check=True, env=env)
        check_output_of(args.launcher, program)

        check_examples(args.examples)
        copy = Path(shutil.copytree(args.examples, Path(scratch) / 'examples'))
        subprocess.run([*compiler, '-std=c++20', '-fsyntax-only', copy / '12_twostage.cpp', *flags], check=True, env=env)


main()
