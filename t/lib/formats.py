# SPDX-License-Identifier: GPL-2.0-only
"""The formats of the emulated devices: all of them, and one of each kind."""
import itertools

NVME = [f'{lbs}+{ms},type={pi},pos={pos},guard={guard}'
        for lbs, (ms, guard), pi, pos in itertools.product(
            (512, 4096), ((8, 'crc16'), (16, 'crc16'), (64, 'crc16'), (16, 'crc64'), (64, 'crc64')),
            (1, 2, 3), ('first', 'last'))]
NVME += [f'{lbs}+{ms},type=0' for lbs in (512, 4096) for ms in (8, 16, 64)]

SCSI = {f'scsi_debug:{interval}+8,type={dif},guard={("crc", "ip")[guard]}': (interval, dif, guard)
        for interval, dif, guard in itertools.product((512, 4096), (1, 3), (0, 1))}

KINDS = ['512+8', '512+8,type=3', '4096+8', '4096+8,type=3',
         '4096+64,pos=first', '4096+64,pos=last', '4096+64,type=3,pos=first',
         '4096+64,type=3,pos=last', '512+64,pos=last', '4096+16,guard=crc64',
         '512+64,guard=crc64,pos=first', '4096+64,guard=crc64,type=3',
         '4096+64,type=0']
