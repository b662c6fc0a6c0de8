#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The unit tests of scripts/pibench, as TAP for prove; of the modules named, or of all."""
import os
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import ROOT  # noqa: E402


class Tap(unittest.TextTestResult):
    def __init__(self):
        super().__init__(sys.stderr, False, 0)

    def show(self, passed, test, note=''):
        print(f'{"" if passed else "not "}ok {self.testsRun} - {test.id()}{note}', flush=True)

    def addSuccess(self, test):
        self.show(True, test)

    def addSkip(self, test, reason):
        # what its decorator names, EXPECT_SKIP has to name too
        if reason in os.environ.get('PI_EXPECT_SKIP', '').split():
            return self.show(True, test, f' # SKIP {reason}')
        self.failures.append((test, reason))
        self.show(False, test)
        print(f'# not tested: no {reason} here; if that was to be expected: make check EXPECT_SKIP={reason}', file=sys.stderr, flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.show(False, test)
        # standard error, which prove shows
        said = (test.id(), *self._exc_info_to_string(err, test).splitlines())
        print('\n'.join(f'# {line}' for line in said), file=sys.stderr, flush=True)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        # of one that failed unittest says nothing else
        if err:
            self.addFailure(subtest, err)


loader, result = unittest.defaultTestLoader, Tap()
(loader.loadTestsFromNames(sys.argv[1:]) if sys.argv[1:] else loader.discover(str(ROOT / 't/pibench'))).run(result)
print(f'1..{result.testsRun}')
sys.exit(not result.wasSuccessful() or not result.testsRun)
