"""Tests of what runs in Kubernetes, without a cluster."""

import pytest

pytest.register_assert_rewrite("chart", "pod_security", "cel", "webhook")
