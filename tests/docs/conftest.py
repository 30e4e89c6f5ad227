"""Let pytest explain the assertions of the helper that compares outputs."""

import pytest

pytest.register_assert_rewrite("tests.docs.pages")
