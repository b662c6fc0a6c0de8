#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that would silently ignore the attribute is refused."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, passes, pi, refuses  # noqa: E402


def test(device):
    refuses(pi(device, rw='write', bs='4k', size='1m'), 'PI is refused',
            '6.14', 'pi_layout=none')
    passes(pi(device, rw='write', bs='4k', size='1m', pi_layout='none'),
           'plain I/O works', write=256)


main(test, ['--kernel', '6.12', '--disk', '4096+8'])
