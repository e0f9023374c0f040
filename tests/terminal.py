#!/usr/bin/env python3
"""Runs a program on a terminal, waits until its progress line has been rewritten, presses Ctrl-C, and checks what the
terminal has shown: one line that is rewritten and cut to the terminal's width, with warnings on lines of their own."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import time

WIDTH = 60


def run(command):
    """What the command wrote to its terminal, and how it ended."""
    try:
        pid, terminal = pty.fork()
    except OSError as error:
        print(f'skipped: no pseudo-terminal: {error}')
        sys.exit(77)
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, WIDTH, 0, 0))
        os.execv(command[0], command)
    shown, interrupted, deadline = '', False, time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            shown += os.read(terminal, 4096).decode()
        except OSError:  # the program has gone
            break
        if not interrupted and 'between' in shown and shown.split('between')[1].count('\r\x1b[K') >= 3:
            os.write(terminal, b'\x03')
            interrupted = True
    else:
        os.kill(pid, 9)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main():
    shown, code = run(sys.argv[1:])
    lines = shown.replace('\r\n', '\n').split('\n')
    status, warning, rewritten, end, message, rest = lines
    rewritten = rewritten.removesuffix('^C')  # the terminal's echo
    updates = status.split('\r\x1b[K')[1:] + rewritten.split('\r\x1b[K')[1:]
    steps = [int(re.match(r'Adam: step (\d+) of 100000, loss [\d.]+, up to \d+ ', update)[1]) for update in updates]
    checks = [
        code == 0,
        status.startswith('\r\x1b[K') and rewritten.startswith('\r\x1b[K'),
        steps == sorted(set(steps)),
        all(len(update) == WIDTH - 1 for update in updates),
        warning == 'allgrad: warning: a word between',
        re.fullmatch(r'allgrad: warning: Adam ended at step \d+: interrupted by SIGINT on rank 0\. Its result holds .*', end),
        message == 'interrupted by SIGINT on rank 0',
        rest == '',
    ]
    if not all(checks):
        sys.exit(f'checks: {checks}, exit code {code}, shown: {shown!r}')


main()
