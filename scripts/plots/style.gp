# SPDX-License-Identifier: GPL-2.0-only
# Shared by every plot: Okabe-Ito, one colour an arm everywhere; ours full, fio's own engine pale.
set encoding utf8
set border 3 lc rgb '#404040'
set tics nomirror
set grid y lc rgb '#d9d9d9' lw 1 dt solid
set grid noxtics back

state(arm) = arm[1:strstrt(arm, '/') - 1]
way(arm) = arm[strstrt(arm, '/') + 1:*]
colour(arm) = \
	way(arm) eq 'indirect' ? '#0072B2' : \
	way(arm) eq 'sqe128' ? '#56B4E9' : \
	way(arm) eq 'inline' ? '#D55E00' : \
	state(arm) eq 'pi' ? '#E69F00' : \
	state(arm) eq 'plain-autopi' ? '#009E73' : \
	state(arm) eq 'plain-noverify' ? '#CC79A7' : '#000000'
density(arm) = way(arm) eq 'io_uring' && state(arm) ne 'pi' ? 0.35 : 1.0

open(name) = name[strlen(name) - 3:*] eq '.svg' ? \
	"set terminal svg size 1100,720 dynamic font 'DejaVu Sans,Arial,sans-serif,12' background 'white'" : \
	"set terminal pngcairo size 1100,720 font 'DejaVu Sans,11' background '#ffffff' enhanced"
