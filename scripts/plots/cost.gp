# SPDX-License-Identifier: GPL-2.0-only
# Bars from the left, in two parts, and quartiles of the whole:
#
#   gnuplot -c cost.gp STYLE TERMINAL OUTPUT TITLE SUBTITLE XLABEL ROWS QUARTILES DATA
#
# DATA: row user total q1 q3 "label", ROWS lines; QUARTILES 1 marks them.
load ARG1
eval 'set terminal '.ARG2
set output ARG3
rows = int(ARG7)
data = ARG9
half = 0.36

set label 1 ARG4 at screen 0.02, screen 1 offset 0,-1.2 left font ',15' noenhanced
set label 2 ARG5 at screen 0.02, screen 1 offset 0,-2.7 left font ',10' tc rgb '#404040' noenhanced
set lmargin 24
set rmargin 9
set tmargin 6
set xlabel ARG6
stats data using 3 nooutput
set xrange [0:STATS_max * 1.04]
set yrange [rows - 0.5:-0.5]
set ytics scale 0 noenhanced
set grid x noy
set key at graph 1, graph 1 right bottom horizontal Left reverse samplen 1 width 1 noenhanced

plot \
	data using (0):1:(0):2:($1 - half):($1 + half):ytic(6) with boxxyerror fs solid 1 noborder lc rgb '#E69F00' title 'user', \
	data using (0):1:2:3:($1 - half):($1 + half) with boxxyerror fs solid 1 noborder lc rgb '#0072B2' title 'kernel', \
	data using (int(ARG8) ? ($5 > $3 ? $5 : $3) : $3):1:(sprintf('%.0f', $3)) with labels left offset 0.7,0 notitle, \
	data using (int(ARG8) ? $4 : NaN):1:($5 - $4):(0) with vectors nohead lw 2 lc rgb '#404040' notitle
