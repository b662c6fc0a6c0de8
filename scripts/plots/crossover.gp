# SPDX-License-Identifier: GPL-2.0-only
# Curves by the share of requests with PI: on the left what each costs over plain, on the right over the first.
#
# data: a block for each series, of share value low high, then one for each of share value-over-the-first noise.
# unit: of the values.  styles, series: number and name of each series.  roots: where it crosses the first, or -.
n = words(series)
keyrows = (n + 3) / 4
top = 1 - (26.0 + 22 * keyrows) / height

set key noenhanced
set ylabel noenhanced
set xlabel 'requests with PI, per cent'
set xrange [0:100]
set xtics 0, 20
set grid x y
set yrange [*:*] noextend
set offsets 0, 0, graph 0.06, graph 0.04

set multiplot
set tmargin at screen top
set bmargin at screen 0.13
set lmargin at screen 0.125
set rmargin at screen 0.48
set ylabel unit.', over plain'
set key at screen 0.02, screen 0.99 left top maxrows keyrows Left reverse samplen 2 width 1 font ',11'
plot \
	for [i = 1:n] data index i - 1 using 1:3:4 with filledcurves fs solid 0.15 noborder lc rgb colour(number(i)) notitle, \
	for [i = 1:n] data index i - 1 using 1:2 with linespoints \
		lw 1.8 dt dash(number(i)) pt point(number(i)) ps 0.8 lc rgb colour(number(i)) title word(series, i)

set key off
set lmargin at screen 0.625
set rmargin at screen 0.98
set ylabel unit.', over '.word(series, 1)
set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead lw 1.5 lc rgb colour(number(1)) front
do for [i = 2:n] {
	if (word(roots, i) ne '-') {
		x = real(word(roots, i))
		set arrow i from first x, graph 0 to first x, graph 1 nohead dt 2 lw 1.2 lc rgb colour(number(i)) back
		set label i word(roots, i).' %' at first x, graph 1 offset 0,0.6 center tc rgb colour(number(i)) font ',11'
	}
}
plot for [i = 2:n] data index n + i - 1 using 1:2:3 with yerrorlines \
	lw 1.8 dt dash(number(i)) pt point(number(i)) ps 0.8 lc rgb colour(number(i)) notitle
unset multiplot
