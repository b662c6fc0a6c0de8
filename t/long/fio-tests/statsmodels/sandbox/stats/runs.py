# SPDX-License-Identifier: GPL-2.0-only
"""What run-fio-tests.py imports for a case that is left out."""


def runstest_1samp(_):
    raise NotImplementedError
