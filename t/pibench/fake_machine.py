#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench on a machine that is a directory: fake_machine.py ROOT ARGUMENT...

Where ROOT/guest is a program it stands for scripts/guest, and the guest is that
machine too, with one session in it.
"""

import functools
import os
import pathlib
import shlex
import sys
import textwrap

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from lib import ROOT  # noqa: E402
import test_device  # noqa: E402
from pibench import bench, campaign, cells, cli, fio, guest, session  # noqa: E402

HERE = ROOT / "t/pibench/fake_machine.py"

# does what it is asked, after ROOT/delay seconds, and notes the settings it runs under; new.so takes ROOT/slower
# milliseconds, everything else 100; reads with PI fail where there is ROOT/broken, all with PI where there is ROOT/lacks,
# and those of the engine that ROOT/refuses names; with ROOT/poorer new.so offers no layout with PI;
# a log of a job's bandwidth is ROOT/bandwidth.JOB
FIO = """\
    #!/bin/sh
    cd {root}
    case $1 in --enghelp*new.so,pi_layout)
        [ ! -e poorer ] || {{ printf 'pi_layout: x\\n valid values: none  Plain\\n'; exit; }} ;;
    esac
    case $1 in --enghelp*,pi_layout)
        printf 'pi_layout: x\\n valid values: none  Plain\\n : indirect  Attribute\\n'
        exit ;;
    --enghelp*) printf 'pi_layout   : x\\npi_time     : y\\n'; exit ;;
    esac
    [ ! -e delay ] || sleep $(cat delay)
    knobs=$(cat sys/class/block/nvme0n1/integrity/read_verify sys/class/block/nvme0n1/integrity/write_generate)
    echo "${{1#--section=}} $RW $DUT $((NUMBER_IOS * BS)) $knobs" >>log
    if [ $1$RW = --section=attrrandread ] && [ -e broken ]; then
        echo "io_uring_pi: block 7: guard" >&2
        exit 1
    fi
    lacks=
    [ ! -e lacks ] || lacks=1
    case $IOENGINE in *"$(cat refuses 2>/dev/null || echo nobody)".so) lacks=1 ;; esac
    if [ $1 = --section=attr ] && [ $lacks ]; then
        echo "io_uring_pi: pi_layout=indirect needs Linux 6.14" >&2
        exit 1
    fi
    parts='{{"generate": 0, "verify": 0, "submit": 0, "wait": 0}}'
    [ -z "$PI_STATS" ] || echo '{{"clock_ns": 7, "ns": '$parts', "calls": '$parts'}}' >>"$PI_STATS"
    ms=100
    case $IOENGINE in *new.so) ms=$(cat slower) ;; esac
    # what two jobs log
    for word; do
        case $word in --write_bw_log=*) for job in 1 2; do cp bandwidth.$job "${{word#*=}}_bw.$job.log"; done ;; esac
    done
    side=read
    [ ${{RW%write}} = $RW ] || side=write
    cat <<END
    {{
      "fio version": "fio-3.41", "jobs": [{{"error": 0, "usr_cpu": 10, "sys_cpu": 10, "job_runtime": $ms, "ctx": 1, "$side": {{
        "total_ios": $NUMBER_IOS, "io_bytes": 1, "runtime": $ms, "lat_ns": {{"mean": 1}}, "clat_ns": {{}}}}}}]
    }}
    END
"""

# runs the session here; with ROOT/crash it dies when that many runs are done
GUEST = """\
    #!/bin/sh
    [ $1 != fetch ] || {{ echo "guest: ready: TCG, Linux 7.3.4, QEMU 10.0.2" >&2; exit; }}
    while [ "$1" != -- ]; do shift; done
    shift 3
    python3 {here} {root} "$@" & session=$!
    trap 'kill -9 $session; exit 143' TERM INT HUP
    for out; do :; done
    while kill -0 $session 2>/dev/null; do
        if [ -e {root}/crash ] && [ $(cat "$out"/parts/*.jsonl 2>/dev/null | wc -l) -ge $(cat {root}/crash) ]; then
            kill -9 $session
            echo "guest: Kernel panic - not syncing: so it was asked" >&2
            exit 125
        fi
        sleep 0.02
    done
    wait $session
"""


class Host(test_device.FakeHost):
    def run(self, argv):
        return None if argv[0] == "gnuplot" else self.blkid


def program(path, text, **fields):
    quoted = {name: shlex.quote(str(value)) for name, value in fields.items()}
    path.write_text(textwrap.dedent(text.format(**quoted)))
    path.chmod(0o755)


def put_fio(root):
    program(root / "fio", FIO, root=root)
    (root / "slower").write_text("100\n")


def furnish(root):
    """fio, its engines and the guest, in a root where there are devices already."""
    put_fio(root)
    program(root / "guest", GUEST, root=root, here=HERE)
    for name in ("engine", "old", "new"):
        (root / f"{name}.so").write_text(name)


def one_session(more, kvm):
    return {session.Spec(name="nvme", mode=cells.CPU, icount=True, pi="PI_DISK0", nopi="PI_DISK1", **more): []}


def clock(root):
    """Tenths of a second are runs of fio here, however busy the machine is."""
    log = pathlib.Path(root, "log")
    return len(log.read_text().splitlines()) / 10 if log.exists() else 0


def run_fio(run, root, argv, variables, timeout):
    """What a shell takes of the processor says nothing: ten for an I/O, and more for that of new.so as it is slower."""
    done = run(argv, variables, timeout)
    slower = int(pathlib.Path(root, "slower").read_text()) if variables.get("IOENGINE", "").endswith("new.so") else 100
    done.cpu_ns = 10 * slower * int(variables.get("NUMBER_IOS", 0))
    return done


def main(root, *arguments):
    cli.Host = lambda: Host(root)
    campaign.time_budget = functools.partial(campaign.time_budget, now=lambda: clock(root))
    bench.guest_sessions = one_session
    fio.run = functools.partial(run_fio, fio.run, root)
    guest.GUEST, guest.POLL = pathlib.Path(root, "guest"), 0.02
    # this guest is the machine itself
    guest.HIDDEN = ()
    os.environ.update(PI_DISK0="/dev/nvme0n1", PI_DISK1="/dev/nvme0n2")
    return cli.main(list(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
