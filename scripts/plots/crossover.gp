# SPDX-License-Identifier: GPL-2.0-only
# Curves over a share: what each costs over plain, and over the first one:
#
#   gnuplot -c crossover.gp STYLE OUTPUT WIDTH HEIGHT UNIT COLOURS DATA ROOTS
#
# DATA: a block for each curve: its legend, then lines of
# share value low high value-over-the-first noise.  COLOURS: their numbers, the same
# for the same thing in every plot.  ROOTS: where each crosses the first, or -.
load ARG1
eval open(ARG2, int(ARG3), int(ARG4))
set output ARG2
n = words(ARG6)
data = ARG7
colours = '#0072B2 #D55E00 #E69F00 #009E73 #56B4E9 #CC79A7'
points = '7 5 4 9 13 12'
number(i) = (int(word(ARG6, i)) - 1) % words(colours) + 1
colour(i) = word(colours, number(i))
point(i) = int(word(points, number(i)))

set key noenhanced
set ylabel noenhanced
set xlabel 'requests with PI, per cent'
set xrange [0:100]
set xtics 0, 20
set grid x y
set yrange [*:*] noextend
set offsets 0, 0, graph 0.06, graph 0.04

set multiplot
set tmargin at screen 0.82
set bmargin at screen 0.13
set lmargin at screen 0.11
set rmargin at screen 0.48
set ylabel ARG5.', over plain'
set key at screen 0.02, screen 0.99 left top maxrows 2 Left reverse samplen 2 width 1 font ',11'
plot \
	for [i = 1:n] data index i - 1 using 1:3:4 with filledcurves fs solid 0.15 noborder lc rgb colour(i) notitle, \
	for [i = 1:n] data index i - 1 using 1:2 with linespoints lw 1.8 pt point(i) ps 0.8 lc rgb colour(i) title columnheader(1)

set key off
set lmargin at screen 0.61
set rmargin at screen 0.98
set ylabel ARG5.', over indirect, SQE 64'
set arrow 1 from graph 0, first 0 to graph 1, first 0 nohead lw 1.5 lc rgb colour(1) front
do for [i = 2:n] {
	if (word(ARG8, i) ne '-') {
		set arrow i from first real(word(ARG8, i)), graph 0 to first real(word(ARG8, i)), graph 1 nohead dt 2 lw 1.2 lc rgb colour(i) back
		set label i + 1 word(ARG8, i).' %' at first real(word(ARG8, i)), graph 1 offset 0,0.6 center tc rgb colour(i) font ',11'
	}
}
plot for [i = 2:n] data index i - 1 using 1:5:6 with yerrorlines lw 1.8 pt point(i) ps 0.8 lc rgb colour(i) notitle
unset multiplot
