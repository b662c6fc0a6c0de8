# SPDX-License-Identifier: GPL-2.0-only
# What an I/O takes and where, from 0, a row each:
#
#   gnuplot -c stack.gp STYLE OUTPUT WIDTH HEIGHT MARGIN XLABEL DATA AXIS PARTS
#
# DATA: a block of lines 'row "label" "total" total part part ...', each part where
# it ends, then one of lines 'row "heading"'.
# AXIS: where it ends, the colour of each part, then the distance of
# its ticks and the label of each, from 0 on.
# PARTS: their names, each in quotes.
load ARG1
eval open(ARG2, int(ARG3), int(ARG4))
set output ARG2
n = words(ARG9)

stats ARG7 index 0 using 1 nooutput
set yrange [STATS_max + 0.7:0.3]
set xrange [0:real(word(ARG8, 1))]
set lmargin int(ARG5)
set rmargin 3
set tmargin 3
set border 1
set xlabel ARG6
step = real(word(ARG8, n + 2))
set xtics ()
do for [k = 0:words(ARG8) - n - 3] { set xtics add (word(ARG8, n + 3 + k) k * step) }
set grid x noy
set ytics scale 0
set key at screen 0.01, screen 1 left top horizontal Left reverse samplen 1 height 0.5
if (n == 1) { set key off; set tmargin 1 }
# in columns of four: what does not fit side by side would lie on the bars
if (n > 4) { set key vertical maxrows 4; set tmargin 7 }
shade(i) = word(ARG8, i + 1)
from(i) = i == 1 ? 0 : column(3 + i)
plot ARG7 index 0 using (0):1:ytic(2) with points pt -1 notitle, \
	ARG7 index 1 using (0):1:2 with labels boxed left offset 1.5 - int(ARG5), 0 tc rgb '#404040' notitle, \
	for [i = 1:n] ARG7 index 0 using (from(i)):1:(from(i)):(column(4 + i)):($1 - 0.36):($1 + 0.36) with boxxyerror \
		fs solid border lc rgb shade(i) lc rgb shade(i) title word(ARG9, i), \
	ARG7 index 0 using 4:1:3 with labels left offset 0.6, 0 tc rgb '#404040' notitle
