"""What is written can be read by people too."""

from __future__ import annotations

import yaml

from canary.migrate.writing import as_annotations, as_yaml

QUERY = 'sum(\n  rate(errors{pod=~"{{ pods }}"}[{{ interval }}])\n)'
SPEC = {"targetRef": {"name": "checkout"}, "analysis": {"checks": [{"name": "errors", "query": QUERY, "max": 3}]}}


def test_a_query_of_several_lines_is_written_as_a_block() -> None:
    written = as_yaml(as_annotations("shop", SPEC))
    assert "check.errors: |-\n" in written
    assert '        rate(errors{pod=~"{{ pods }}"}[{{ interval }}])\n' in written
    assert yaml.safe_load(written)["metadata"]["annotations"]["canary.delivery/check.errors"] == f"{QUERY} <= 3"
