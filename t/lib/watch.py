# SPDX-License-Identifier: GPL-2.0-only
"""Reports of a debug kernel: KASAN, lockdep and kmemleak."""
import os
import re
import subprocess
import time
from pathlib import Path

from .tap import ok

# how the kernel begins a report
REPORT = re.compile(r'\bBUG:|\bWARNING:|KASAN|possible recursive|possible circular|inconsistent lock|suspicious RCU|'
                    r'general protection|unreferenced object|refcount_t|list_(?:add|del) corruption|Oops')
KMEMLEAK = Path('/sys/kernel/debug/kmemleak')


class Watch:
    """Collects what the debug kernel has reported since the last time."""

    def __init__(self):
        if not KMEMLEAK.exists():
            subprocess.run(['mount', '-t', 'debugfs', 'debugfs', '/sys/kernel/debug'], check=True)
        self.log = os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)
        self.leaks()
        KMEMLEAK.write_text('clear')
        booted = self.reports()
        ok(not booted and ' kasan_report\n' in Path('/proc/kallsyms').read_text() and self.locks(),
           'KASAN, lockdep and kmemleak are active and have reported nothing', *booted)

    def locks(self):
        """Return whether lockdep is still active: it stops after its first report."""
        return re.search(r'^ debug_locks: +1$', Path('/proc/lockdep_stats').read_text(), re.M) is not None

    def leaks(self):
        """Return the leaks: objects that are unreferenced in two scans and older than five seconds."""
        for _ in range(2):
            time.sleep(6)
            KMEMLEAK.write_text('scan')
        return KMEMLEAK.read_text()

    def reports(self):
        """Return the new lines of the kernel log, from the first line of a report on."""
        lines = []
        while True:
            try:
                lines.append(os.read(self.log, 8192).decode(errors='replace').partition(';')[2].partition('\n')[0])
            except BlockingIOError:
                break
            except BrokenPipeError:
                lines.append('BUG: the kernel log was overwritten before it was read')
        first = next((at for at, line in enumerate(lines) if REPORT.search(line)), len(lines))
        return lines[first:first + 60]
