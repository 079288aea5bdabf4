"""Tests that need an emulator say what is missing where there is none."""

import pytest

from bitsback.lower.build.native.emulation.session import missing
from bitsback.lower.build.native.linking import lld

_ADVICE = "which `make setup-emulation` installs"

needs_emulation = pytest.mark.skipif(bool(missing()), reason=f"needs {', '.join(missing())}, {_ADVICE}")
needs_lld = pytest.mark.skipif(lld() is None, reason=f"needs ld.lld, {_ADVICE}")
