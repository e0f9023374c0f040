#!/usr/bin/env python3
"""kernel_symbols.py NM ARCHIVE ARCHITECTURE: refuses kernels that share an inline function with other code.

A weak symbol is one of which the linker keeps a single copy. Where the kernels of one instruction set define one that
the rest of a program defines too, the copy that is kept may be code that some machines cannot run; so all that are
defined here must name the xsimd architecture that the kernels were compiled for, or a part of it: xsimd::avx2 is one
of xsimd::fma3<xsimd::avx2>.
"""
import re
import subprocess
import sys

WEAK = 'WVu'
POINTER_TO_EXCEPTION_HANDLING = 'DW.ref.__gxx_personality_v0'  # the same data whatever the instruction set


def main():
    nm, archive, architecture = sys.argv[1:]
    names = re.findall(r'xsimd::\w+', architecture)
    listing = subprocess.run([nm, '--demangle', '--defined-only', archive], check=True, capture_output=True, text=True)
    symbols = [match.groups() for match in re.finditer(r'^[0-9a-f]+ (\w) (.+)$', listing.stdout, re.MULTILINE)]
    if not any(kind in 'DR' and name.startswith('allgrad::kernels_') for kind, name in symbols):
        sys.exit(f'{archive}: expected a table of kernels, allgrad::kernels_..., among {len(symbols)} symbols')
    shared = [name for kind, name in symbols
              if kind in WEAK and name != POINTER_TO_EXCEPTION_HANDLING and not any(a in name for a in names)]
    if shared:
        sys.exit(f'{archive}: weak symbols that do not name {architecture}:\n  ' + '\n  '.join(shared)
                 + '\nMake them templates on the architecture, or local to kernels.cpp.')


main()
