# SPDX-License-Identifier: GPL-2.0-only
"""When steady state is reached, and what is said of it."""

import unittest

from pibench import steady


class Steady(unittest.TestCase):
    def test_by_range_and_slope_of_the_last_five(self):
        self.assertFalse(steady.reached([100] * 4))
        self.assertTrue(steady.reached([900, 500, 100, 100, 100, 100, 100]))
        # 20 % of the mean apart without a slope, and more
        self.assertTrue(steady.reached([110, 90, 100, 90, 110]))
        self.assertFalse(steady.reached([111, 89, 100, 89, 111]))
        # a line of which the ends are 10 % apart, and more
        self.assertTrue(steady.reached([95, 97.5, 100, 102.5, 105]))
        self.assertFalse(steady.reached([94, 97, 100, 103, 106]))

    def test_told(self):
        self.assertIn("steady after 6 rounds (last 5: range 0% of at most 20%, slope 0% of at most 10%; IOPS 900, 100,",
                      steady.told([900, *[100] * 5]))  # fmt: skip
        self.assertIn("not steady after 5 rounds (last 5: range 67% of at most 20%, slope 53%", steady.told([50, 75, 75, 75, 100]))


if __name__ == "__main__":
    unittest.main()
