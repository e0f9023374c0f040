#!/usr/bin/env python3
"""Sets up a user's Meson project that has allgrad as a subproject, and compiles what the user wrote; the library is
not built a second time."""

import argparse
import json
import os
from pathlib import Path
import shutil
import subprocess
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--meson', required=True)
    parser.add_argument('--ninja', required=True)
    parser.add_argument('--source', required=True, help="allgrad's source tree")
    parser.add_argument('--user', required=True, help="the user's project")
    parser.add_argument('compiler', nargs='+')
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        project, build = Path(scratch) / 'user', Path(scratch) / 'build'
        shutil.copytree(args.user, project)
        (project / 'subprojects').mkdir()
        (project / 'subprojects' / 'allgrad').symlink_to(args.source)
        subprocess.run([args.meson, 'setup', build, project, '--force-fallback-for=allgrad'], check=True,
                       env={**os.environ, 'CXX': ' '.join(args.compiler)})

        targets = json.loads(subprocess.check_output([args.meson, 'introspect', '--targets', build]))
        executables = [target['name'] for target in targets if target['type'] == 'executable']
        assert executables == ['program'], f"expected the user's program alone, got {executables}"
        subprocess.run([args.ninja, '-C', build, 'program.p/program.cpp.o'], check=True)


main()
