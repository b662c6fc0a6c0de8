#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# On Debian for x86-64: cross-build the engine and its tools for arm64, and run
# under qemu-user what needs no io_uring, which qemu-user does not emulate.
set -eu

triplet=aarch64-linux-gnu
dpkg --add-architecture arm64
apt-get update
apt-get install -y --no-install-recommends gcc-$triplet qemu-user libisal-dev:arm64 liburing-dev:arm64 libnvme-dev:arm64 \
	libcmocka-dev:arm64 zlib1g-dev:arm64

fio=$PWD/build/arm64/fio
mkdir -p build/arm64
cp -r "$(realpath build/fio)" "$fio"
(cd "$fio" && make clean && ./configure --cc=$triplet-gcc --cpu=aarch64 --disable-native --disable-isal --disable-isal64 &&
	make -j"$(nproc)" fio) >build/arm64/fio.log 2>&1 || { tail build/arm64/fio.log; exit 1; }

# they need a kernel: ioctl, mincore, and io_uring
left_out=' device io layout ring '
export PKG_CONFIG_LIBDIR=/usr/lib/$triplet/pkgconfig:/usr/share/pkgconfig
set -- all
for source in t/unit/test_*.c; do
	name=$(basename "$source" .c)
	case $left_out in *" ${name#test_} "*) ;; *) set -- "$@" "build/arm64/unit/$name" ;; esac
done
make -j"$(nproc)" CC=$triplet-gcc B=build/arm64 FIO="$fio" "$@"
shift
for program; do qemu-aarch64 "$program"; done
qemu-aarch64 "$fio/fio" --enghelp=build/arm64/io_uring_pi.so,pi_layout | grep indirect
qemu-aarch64 build/arm64/t/pi-info --json | grep '"indirect"'
