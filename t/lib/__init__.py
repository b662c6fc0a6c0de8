# SPDX-License-Identifier: GPL-2.0-only
"""What tests share; with it what scripts/ has can be imported."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(1, str(ROOT / 'scripts'))
