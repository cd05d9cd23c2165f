"""The alert rules once more, in the forms that kustomize and Helm can read: neither may look outside of its own folder.

With `--write`, writes them; a test fails while they are not those of deploy/prometheus/rules.yaml.
"""

import pathlib
import sys

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus/rules.yaml"
COMPONENT = DEPLOY / "kubernetes/components/prometheus-operator/prometheusrule.yaml"
CHART = DEPLOY / "helm/pophook/rules.yaml"

HEAD = """\
# Made of deploy/prometheus/rules.yaml by `python3 tests/deploy/rules.py --write`. Change it there.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: pophook
spec:
"""


def copies():
    """The files, each with the text that it should have."""
    rules = RULES.read_text()
    # The text itself, so that its comments come along.
    lines = [f"  {line}" if line else line for line in rules.split("\n")]
    return {COMPONENT: HEAD + "\n".join(lines), CHART: rules}


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    for file, text in copies().items():
        file.write_text(text)
