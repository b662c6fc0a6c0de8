# SPDX-License-Identifier: GPL-2.0-only
# Shared by every plot: Okabe-Ito, told apart by shape too.  #404040, #d9d9d9
# and the white below headings follow the page's colour scheme in the HTML report.
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

# by number, and round again: one look for a layout, from 1 on, or a baseline, from -1 on, in every plot
colours = '#0072B2 #56B4E9 #009E73 #D55E00 #CC79A7 #E69F00 #0072B2 #D55E00 #009E73 #999999'
points = '7 5 9 13 11 15 6 4 8 3'
dashes = '1 1 1 1 1 1 2 2 2 1'
turn(i) = (i - 1) % words(colours) + 1
colour(i) = i < 0 ? '#404040' : word(colours, turn(i))
point(i) = i < 0 ? int(word('1 2 12', (-i - 1) % 3 + 1)) : int(word(points, turn(i)))
dash(i) = i < 0 ? -i : int(word(dashes, turn(i)))

open(name, width, height) = name[strlen(name) - 3:*] eq '.svg' ? \
	sprintf("set terminal svg size %d,%d dynamic font 'DejaVu Sans,Arial,sans-serif,13'", width, height) : \
	sprintf("set terminal pngcairo size %d,%d font 'DejaVu Sans,10' background '#ffffff'", width, height)
