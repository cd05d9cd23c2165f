"""Those who judge what deploy/ holds: the schemas of Kubernetes and of the Prometheus operator, and a scanner."""

import json
import pathlib
import re
import tempfile

import kubernetes_validate
import pydantic
import yaml
from cloudcoil.models.prometheus_operator import v1 as monitoring

import tools

# From the oldest that the chart admits to the newest that the schemas know.
RELEASES = ["1.27", "1.29", "1.31", "1.34", "1.37"]
IGNORED = [
    # The words `password` and `username` in the ConfigMap. What stands behind the first is the name of a file, and a
    # test insists on that.
    "KSV-0109",
    "KSV-01010",
    # A list of registries that are trusted. Which one is yours to say.
    "KSV-0125",
]


def refusal(thing, release):
    """Why a release would refuse an object, or nothing."""
    try:
        if thing["apiVersion"] == "monitoring.coreos.com/v1":
            getattr(monitoring, thing["kind"]).model_validate(thing, extra="forbid")
        else:
            kubernetes_validate.validate(thing, release, strict=True)
    except (kubernetes_validate.ValidationError, pydantic.ValidationError) as error:
        return str(error)
    return None


def findings(target):
    """What a scanner finds in a file or a chart, above low."""
    ignored = "\n".join(IGNORED)
    with tempfile.NamedTemporaryFile("w", suffix=".trivyignore") as file:
        file.write(ignored)
        file.flush()
        report = tools.succeed("trivy", "config", "--quiet", "--skip-check-update", "--ignorefile", file.name,
                               "--severity", "MEDIUM,HIGH,CRITICAL", "--format", "json", target)
    results = json.loads(report).get("Results", [])
    looked_at = sum(result["MisconfSummary"]["Successes"] for result in results)
    assert looked_at > 20, f"the scanner looked at nothing in {target}"
    return [(one["ID"], one["Title"]) for result in results for one in result.get("Misconfigurations", [])]


def scan(objects):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "rendered.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        return findings(file)


def seconds_to_end():
    """The default of `grace`, and the five seconds after it in which the spool is written back."""
    example = (tools.ROOT / "config.example.yaml").read_text()
    return int(re.search(r"^#grace: (\d+)s$", example, re.MULTILINE)[1]) + 5
