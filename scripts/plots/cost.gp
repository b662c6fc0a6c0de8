# SPDX-License-Identifier: GPL-2.0-only
# Bars from the left, in two parts, and quartiles of the whole:
#
#   gnuplot -c cost.gp STYLE OUTPUT WIDTH HEIGHT XLABEL ROWS DATA QUARTILES
#
# DATA: row user total q1 q3 "label", ROWS lines; QUARTILES 1 marks them.
load ARG1
eval open(ARG2, int(ARG3), int(ARG4))
set output ARG2
rows = int(ARG6)
data = ARG7
half = 0.36

set lmargin 24
set rmargin 9
set tmargin 3
set xlabel ARG5
stats data using 3 nooutput
set xrange [0:STATS_max * 1.04]
set yrange [rows - 0.5:-0.5]
set ytics scale 0 noenhanced
set grid x noy
set key at screen 0.01, screen 1 left top horizontal Left reverse samplen 1 height 0.5

plot \
	data using (0):1:(0):2:($1 - half):($1 + half):ytic(6) with boxxyerror fs solid 1 noborder lc rgb '#E69F00' title 'user', \
	data using (0):1:2:3:($1 - half):($1 + half) with boxxyerror fs solid 1 noborder lc rgb '#0072B2' title 'kernel', \
	data using (int(ARG8) ? ($5 > $3 ? $5 : $3) : $3):1:(sprintf('%.0f', $3)) with labels left offset 0.7,0 tc rgb '#404040' notitle, \
	data using (int(ARG8) ? $4 : NaN):1:($5 - $4):(0) with vectors nohead lw 2 lc rgb '#404040' notitle
