# SPDX-License-Identifier: GPL-2.0-only
"""Code that tests share; makes the modules in scripts/ importable."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / 'scripts'))
