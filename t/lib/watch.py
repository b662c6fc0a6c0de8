# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that watches itself: what KASAN, lockdep and kmemleak have found."""
import os
import re
import subprocess
import time
from pathlib import Path

from .tap import ok

# how the kernel begins what it has found
REPORT = re.compile(r'\bBUG:|\bWARNING:|KASAN|possible recursive|possible circular|inconsistent lock|suspicious RCU|'
                    r'general protection|unreferenced object|refcount_t|list_(?:add|del) corruption|Oops')
KMEMLEAK = Path('/sys/kernel/debug/kmemleak')


class Watch:
    """What a kernel that watches itself has reported since the last time."""

    def __init__(self):
        if not KMEMLEAK.exists():
            subprocess.run(['mount', '-t', 'debugfs', 'debugfs', '/sys/kernel/debug'], check=True)
        self.log = os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)
        self.leaks()
        KMEMLEAK.write_text('clear')
        booted = self.reports()
        ok(not booted and ' kasan_report\n' in Path('/proc/kallsyms').read_text() and self.locks(),
           'KASAN, lockdep and kmemleak watch, and have nothing to say', *booted)

    def locks(self):
        """Whether lockdep is still at it: it ends with its first report."""
        return re.search(r'^ debug_locks: +1$', Path('/proc/lockdep_stats').read_text(), re.M) is not None

    def leaks(self):
        """What nobody refers to is a leak when it is older than five seconds, and twice found so."""
        for _ in range(2):
            time.sleep(6)
            KMEMLEAK.write_text('scan')
        return KMEMLEAK.read_text()

    def reports(self):
        """From the first line of a report on."""
        lines = []
        while True:
            try:
                lines.append(os.read(self.log, 8192).decode(errors='replace').partition(';')[2].partition('\n')[0])
            except BlockingIOError:
                break
            except BrokenPipeError:
                lines.append('BUG: what the kernel said was overwritten before it was read')
        first = next((at for at, line in enumerate(lines) if REPORT.search(line)), len(lines))
        return lines[first:first + 60]
