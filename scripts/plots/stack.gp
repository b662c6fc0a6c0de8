# SPDX-License-Identifier: GPL-2.0-only
# Bars from 0, each divided into parts, one row each.
#
# data: lines 'row "label" "total" low high end end ...', the ends of the parts last, then lines 'row "heading"'.
# margin: characters left of the axis.  axis: its label; end: where it ends.  shades, series: colour and
# name of each part.  whiskers: 1 to mark low and high.
n = words(series)

stats data index 0 using 1 nooutput
set yrange [STATS_max + 0.7:0.3]
set xrange [0:end]
set lmargin margin
set rmargin 3
set tmargin 3
set border 1
set xlabel axis
set format x '%.10g'
set grid x noy
set ytics scale 0
set key at screen 0.01, screen 1 left top horizontal Left reverse samplen 1 height 0.5
if (n == 1) { set key off; set tmargin 1 }
# in columns of four: a longer row would lie on the bars
if (n > 4) { set key vertical maxrows 4; set tmargin 7 }
shade(i) = word(shades, i)
from(i) = i == 1 ? 0 : column(4 + i)
plot data index 0 using (0):1:ytic(2) with points pt -1 notitle, \
	data index 1 using (0):1:2 with labels boxed left offset 1.5 - margin, 0 tc rgb '#404040' notitle, \
	for [i = 1:n] data index 0 using (from(i)):1:(from(i)):(column(5 + i)):($1 - 0.36):($1 + 0.36) with boxxyerror \
		fs solid border lc rgb shade(i) lc rgb shade(i) title word(series, i), \
	for [i = 1:whiskers] data index 0 using 4:1:($5 - $4):(0) with vectors nohead lw 2 lc rgb '#404040' notitle, \
	data index 0 using (column(5 + n)):1:3 with labels left offset 0.6 + whiskers, 0 tc rgb '#404040' notitle
