# SPDX-License-Identifier: GPL-2.0-only
# Ratios with their intervals, one row each.
#
# data: lines 'row "label" ratio low high ...', the last three for each series, then lines 'row "heading"'.
# margin: characters left of the axis.  axis: its label; left, right: its ends.  limit: a ratio to
# mark, or 0.  styles, series: number and name of each series.
n = words(series)

stats data index 0 using 1 nooutput
rows = STATS_max
set yrange [rows + 0.7:0.3]
set xrange [left:right]
set lmargin margin
set rmargin 3
set tmargin 3
set border 1
set xlabel axis
set grid x noy
if (right > 4 * left) {
	set logscale x
	set xtics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
} else { set xtics }
set ytics scale 0
set key at screen 0.01, screen 1 left top horizontal Left reverse samplen 1 height 0.5
if (limit > 0) { set arrow from limit, graph 0 to limit, graph 1 nohead dt 3 lw 2 lc rgb '#404040' }
set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.5 lc rgb '#404040'
if (n == 1) { set key off; set tmargin 1 }
plot data index 0 using (0):1:ytic(2) with points pt -1 notitle, \
	data index 1 using (left):1:2 with labels boxed left offset 1.5 - margin, 0 tc rgb '#404040' notitle, \
	for [i = 1:n] data index 0 \
		using (column(3 * i)):($1 + (i - (n + 1) / 2.0) * 0.22):(column(3 * i + 1)):(column(3 * i + 2)) with xerrorbars \
		lw 1.8 pt point(number(i)) ps 0.75 lc rgb colour(number(i)) title word(series, i)
