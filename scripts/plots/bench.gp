# SPDX-License-Identifier: GPL-2.0-only
# gnuplot -c bench.gp OUTPUT STYLE TITLE SUBTITLE YLABEL ARMS KEYS DATA...
#
# ARMS and KEYS: names and legend texts, blank-separated, '~' for a blank within one.
# DATA: one panel each; columns: workload, then median, low, high of each arm.
output = ARG1
load ARG2
title = ARG3
subtitle = ARG4
arms = ARG6
keys = ARG7
panels = ARGC - 7
panel(i) = i == 1 ? ARG8 : ARG9
text(s) = system_blank(s)
