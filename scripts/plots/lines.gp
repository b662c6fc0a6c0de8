# SPDX-License-Identifier: GPL-2.0-only
# A curve for each series.
#
# data: a block for each series: x y low high, then the label of x where it has one.
# kind: sweep (x doubles, y is a ratio), tail (both logarithmic, y is the share of I/Os that took longer),
# throughput (x in seconds, y from 0) or trend (x labelled; a last series named step marks points).
# axis, yaxis: labels.  styles, series: number and name of each series.
n = words(series)

set xlabel axis
set ylabel yaxis
set rmargin 3
set tmargin 2 + (n + 2) / 3
set key at screen 0.01, screen 0.99 left top horizontal maxcols 3 samplen 2 Left reverse
spread(i) = 1
if (kind eq 'sweep') {
	set logscale x 2
	set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
	# bars of one x beside each other
	spread(i) = 1.03 ** (i - (n + 1) / 2.0)
	set xtics ()
	do for [k = 0:12] { set xtics add (sprintf('%d KiB', 2 ** k) 2 ** k) }
	set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 1.5 lc rgb '#404040'
}
if (kind eq 'tail') {
	set logscale xy
	set yrange [1e-4:1]
	set ytics ('50 %%' 0.5, '90 %%' 0.1, '99 %%' 0.01, '99.9 %%' 0.001, '99.99 %%' 0.0001)
	set format x '%g'
}
if (kind eq 'throughput') {
	set yrange [0:*]
}
if (kind eq 'trend') {
	set offsets 0.3, 0.3, graph 0.1, graph 0.1
	set xtics rotate by -40 font ',10'
	set bmargin 6
}
if (kind eq 'tail') {
	plot for [i = 1:n] data index i - 1 using 1:2 with steps lw 2 dt dash(number(i)) lc rgb colour(number(i)) title word(series, i)
} else { if (kind eq 'trend') {
	m = n - (word(series, n) eq 'step')
	plot for [i = 1:m] data index i - 1 using 1:2:3:4:xtic(5) with yerrorlines lw 1.8 \
		pt point(number(i)) ps 0.8 lc rgb colour(number(i)) title word(series, i), \
		for [i = m + 1:n] data index i - 1 using 1:2 with points pt 6 ps 2 lw 2 lc rgb '#a40e26' title 'step'
} else {
	plot for [i = 1:n] data index i - 1 using ($1 * spread(i)):2:3:4 with yerrorlines lw 1.8 \
		dt dash(number(i)) pt point(number(i)) ps 0.8 lc rgb colour(number(i)) title word(series, i)
} }
