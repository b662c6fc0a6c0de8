# SPDX-License-Identifier: GPL-2.0-only
# Read before each script: the file to write (target, width, height) and the look of every plot.
# Colours are Okabe-Ito's; shapes differ too.  In the HTML report #404040, #d9d9d9 and the white
# behind headings follow the page's colour scheme.
set encoding utf8
set border 3 lc rgb '#404040'
set tics nomirror textcolor rgb '#404040'
set grid lc rgb '#d9d9d9' lw 1 dt solid
set key textcolor rgb '#404040' noenhanced
set xlabel textcolor rgb '#404040' noenhanced
set ylabel textcolor rgb '#404040' noenhanced
set bars 0
# headings lie over the grid
set style textbox opaque noborder margins 0.5, 0

# by number, starting again after the last: a layout (from 1) or a baseline (from -1 down) looks the same in every plot
colours = '#0072B2 #56B4E9 #009E73 #D55E00 #CC79A7 #E69F00 #0072B2 #D55E00 #009E73 #999999'
points = '7 5 9 13 11 15 6 4 8 3'
dashes = '1 1 1 1 1 1 2 2 2 1'
turn(i) = (i - 1) % words(colours) + 1
colour(i) = i < 0 ? '#404040' : word(colours, turn(i))
point(i) = i < 0 ? int(word('1 2 12', (-i - 1) % 3 + 1)) : int(word(points, turn(i)))
dash(i) = i < 0 ? -i : int(word(dashes, turn(i)))
# the number of series i, where a script is given styles
number(i) = int(word(styles, i))

if (target[strlen(target) - 3:*] eq '.svg') {
	set terminal svg size width, height dynamic font 'DejaVu Sans,Arial,sans-serif,13'
} else {
	set terminal pngcairo size width, height font 'DejaVu Sans,10' background '#ffffff'
}
set output target
