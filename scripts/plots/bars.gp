# SPDX-License-Identifier: GPL-2.0-only
# Grouped bars in panels, from 0, with the lowest and highest run as error bars:
#
#   gnuplot -c bars.gp STYLE OUTPUT TITLE SUBTITLE YLABEL ARMS HIGHEST DATA...
#
# ARMS: names of the arms, blank-separated.  DATA: a file for each of one or two
# panels, a block for each arm: its legend, then lines of
# group median low high "label of the group".  HIGHEST: the top of each panel.
load ARG1
eval open(ARG2)
set output ARG2
arms = ARG6
n = words(arms)
width = 0.84 / n
panels = ARGC - 7
data(i) = i == 1 ? ARG8 : ARG9
# 1,400,000 whatever the locale
grouped(x) = x < 1e3 ? sprintf("%.0f", x) : \
	x < 1e6 ? sprintf("%d,%03d", int(x / 1e3), int(x) % 1000) : \
	sprintf("%d,%03d,%03d", int(x / 1e6), int(x / 1e3) % 1000, int(x) % 1000)
# four to eight steps
decade(x) = 10.0 ** floor(log10(x / 4))
step(x) = x / decade(x) >= 20 ? 5 * decade(x) : x / decade(x) >= 8 ? 2 * decade(x) : decade(x)
at(group, i) = group + (i - (n + 1) / 2.0) * width

set title noenhanced
set key noenhanced
set xtics noenhanced scale 0
set ylabel ARG5
set boxwidth width * 0.92
set key off
set lmargin 16
set rmargin 3

# nothing overlaps: title, legend and panels each have their own band
set multiplot
set label 1 ARG3 at screen 0.02, 0.965 left font ',15' noenhanced front
set label 2 ARG4 at screen 0.02, 0.93 left font ',10' tc rgb '#404040' noenhanced front
top = 0.83
band = (top - 0.02) / panels
do for [p = 1:panels] {
	set tmargin at screen top - (p - 1) * band
	set bmargin at screen top - p * band + 0.075
	if (p == 1) {
		set key at screen 0.985, 0.905 right top vertical Left reverse maxrows 2 width -3 samplen 1 spacing 1.15 font ',9.5'
	} else {
		set key off
		unset label 1
		unset label 2
	}
	set autoscale
	stats data(p) index 0 using 1 nooutput
	set xrange [-0.5:STATS_records - 0.5]
	highest = real(word(ARG7, p))
	set yrange [0:highest * 1.05]
	unset ytics
	set ytics nomirror ("0" 0)
	do for [k = 1:int(highest * 1.05 / step(highest))] {
		set ytics add (grouped(k * step(highest)) k * step(highest))
	}
	plot \
		data(p) index 0 using 1:(0):xtic(5) with points pt -1 notitle, \
		for [i = 1:n] data(p) index i - 1 using (at($1, i)):2 with boxes \
			fs solid density(word(arms, i)) border lc rgb colour(word(arms, i)) \
			lc rgb colour(word(arms, i)) title columnheader(1), \
		for [i = 1:n] data(p) index i - 1 using (at($1, i)):3:(0):($4 - $3) with vectors nohead \
			lw 2 lc rgb '#404040' notitle
}
unset multiplot
