# SPDX-License-Identifier: GPL-2.0-only
# Ratios with their intervals, a row each:
#
#   gnuplot -c forest.gp STYLE OUTPUT WIDTH HEIGHT MARGIN XLABEL DATA AXIS SERIES
#
# DATA: a block of lines 'row "label"', one of headings alike, then one for each
# series: row ratio low high.  MARGIN: characters left of the axis.  AXIS: a
# ratio to mark, or 0, then the ends of the axis and a number for the look of each
# series.
# SERIES: their names, each in quotes.
load ARG1
eval open(ARG2, int(ARG3), int(ARG4))
set output ARG2
n = words(ARG9)

stats ARG7 index 0 using 1 nooutput
rows = STATS_max
look(i) = int(word(ARG8, i + 3))
limit = real(word(ARG8, 1))
left = real(word(ARG8, 2))
set yrange [rows + 0.7:0.3]
set xrange [left:real(word(ARG8, 3))]
set lmargin int(ARG5)
set rmargin 3
set tmargin 3
set border 1
set xlabel ARG6
set grid x noy
if (real(word(ARG8, 3)) > 4 * left) {
	set logscale x
	set xtics (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
} else { set xtics }
set ytics scale 0
set key at screen 0.01, screen 1 left top horizontal Left reverse samplen 1 height 0.5
if (limit > 0) { set arrow from limit, graph 0 to limit, graph 1 nohead dt 3 lw 2 lc rgb '#404040' }
set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.5 lc rgb '#404040'
if (n == 1) { set key off; set tmargin 1 }
plot ARG7 index 0 using (1):1:ytic(2) with points pt -1 notitle, \
	ARG7 index 1 using (left):1:2 with labels boxed left offset 1.5 - int(ARG5), 0 tc rgb '#404040' notitle, \
	for [i = 1:n] ARG7 index i + 1 using 2:($1 + (i - (n + 1) / 2.0) * 0.22):3:4 with xerrorbars \
		lw 1.8 pt point(look(i)) ps 0.75 lc rgb colour(look(i)) title word(ARG9, i)
