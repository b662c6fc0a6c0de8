#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The fuzzers in t/fuzz replay their corpus, continue from there, and find nothing.

A fuzzer that does not reach the code finds nothing either, so each must reach the
functions it is for. PI_FUZZ_SECONDS is the time for each, PI_TEST_SEED repeats a
run.
"""
import os
import random
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fuzz import run  # noqa: E402
from lib import tap  # noqa: E402

ARMS = set(re.findall(r'\.arm\s*= (arm_\w+)', (tap.ROOT / 'lib/layout.c').read_text())) - {'arm_none'}
MUST_REACH = {
    'inject': 'pi_inject_kinds pi_inject_blocks parse_number pi_inject_choose',
    'json': 'pi_json_string',
    'tuple': '''pi_format_from_cap pi_format_name pi_tuple_init pi_fault_apply guard_crc16 guard_crc64 guard_ip
        generate_16_alone generate_16_first_extended generate_64_last generate_64_alone_extended verify_16_alone
        verify_16_last_check verify_64_first verify_64_last_extended verify_0_check wrong_tag''',
    'device': '''pi_device_probe_at pi_sibling_at pi_namespace_lba_formats pi_format_from_cap
        pi_format_from_profile pi_guard_by_profile check_lower pi_sysfs_text pi_sysfs_name''',
    'job': ' '.join(ARMS) + '''
        chk_cb reftag_cb pi_options_check check_act pi_target_probe check_whole pi_device_probe_at
        pi_faults_check pi_inject_kinds pi_inject_blocks pi_get_file_size pi_init pi_post_init prep_with_pi_single
        prep_with_pi_vectored prep_mixed_single prep_rw_single prep_plain_single prep_other queue commit getevents
        event event_other pi_io_failed verify verify_faults generate pi_errors_scan pi_errors_device dump_file
        pi_faults_damage pi_unchecked_rw pi_stats_write register_files pi_cleanup''',
}


def main():
    seconds = int(os.environ.get('PI_FUZZ_SECONDS', 3))
    seed = int(os.environ.get('PI_TEST_SEED', str(random.randrange(1, 1 << 32))), 0) & 0xffffffff
    print(f'# PI_TEST_SEED={seed:#x}', flush=True)
    with tempfile.TemporaryDirectory() as directory:
        for target in sorted(MUST_REACH):
            fuzzer = run.Run(target, tap.ROOT / 'build/fuzz', Path(directory), seconds, seed)
            inputs = len(list(fuzzer.corpus.iterdir()))
            fuzzer()
            kept = [(path.name, path.read_bytes()) for path in fuzzer.crashed]
            tap.ok(not fuzzer.status and not kept and fuzzer.executions > inputs > 0,
                   f'{target}: {inputs} inputs of the corpus and {fuzzer.executions - inputs} more, without a failure',
                   f'status {fuzzer.status}', kept, fuzzer.tail)
            missing = set(MUST_REACH[target].split()) - fuzzer.reached()
            tap.ok(not missing, f'{target}: {fuzzer.edges} edges, and all the functions it is for are reached',
                   f'not reached: {" ".join(sorted(missing))}')
            if target == 'job':
                tap.ok(fuzzer.in_fio * 10 <= fuzzer.executions, 'job: at most one run in ten fails in fio itself',
                       f'{fuzzer.in_fio} of {fuzzer.executions} inputs')
    print(f'1..{tap.checks}')
    sys.exit(tap.failures != 0)


main()
