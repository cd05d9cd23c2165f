"""The Helm chart: it makes what kustomize makes, and refuses values that make no sense."""

import json
import pathlib
import tempfile
import unittest

import yaml

import judges
import tools

# What each overlay is in values.
VALUES = {
    "base": [],
    "overlays/prometheus-operator": [tools.CHART / "ci/prometheus-values.yaml"],
    "overlays/example": [tools.CHART / "ci/example-values.yaml"],
}


def plain(thing):
    """An object without what only one of the two tools says: who made it, and the form of the configuration."""
    thing = json.loads(json.dumps(thing))
    meta = thing["metadata"]
    for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
        meta.get("labels", {}).pop(label, None)
    # Helm is told the namespace at its command line.
    meta.pop("namespace", None)
    if thing["kind"] == "ConfigMap":
        # As texts, so that a date is one in both.
        thing["data"]["pophook.yaml"] = yaml.load(thing["data"]["pophook.yaml"], yaml.BaseLoader)
    return thing


def by_kind(objects):
    return {(thing["kind"], thing["metadata"]["name"]): plain(thing) for thing in objects}


class Helm(unittest.TestCase):
    maxDiff = None

    def refused(self, values):
        """What Helm says of values that it refuses."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            ran = tools.run("helm", "template", "pophook", tools.CHART, "--values", file.name)
        self.assertNotEqual(ran.returncode, 0, values)
        return ran.stderr

    def rendered(self, values, release="pophook"):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            return tools.helm(file.name, release=release)

    def test_the_chart_has_no_faults(self):
        for values in VALUES.values():
            files = [word for file in values for word in ("--values", file)]
            tools.succeed("helm", "lint", "--strict", "--quiet", tools.CHART, *files)

    def test_the_chart_makes_what_kustomize_makes(self):
        for folder, values in VALUES.items():
            with self.subTest(folder):
                kustomized = by_kind(tools.kustomize(folder))
                # Helm makes no namespace in which it is installed.
                kustomized.pop(("Namespace", "pophook"), None)
                self.assertEqual(by_kind(tools.helm(*values)), kustomized)

    def test_every_release_takes_it(self):
        for values in VALUES.values():
            for thing in tools.helm(*values):
                for release in judges.RELEASES:
                    self.assertIsNone(judges.refusal(thing, release), f"{release}: {thing['kind']}")

    def test_pophook_takes_the_configuration(self):
        for folder, values in VALUES.items():
            with self.subTest(folder), tools.Folders(tools.helm(*values), tools.own_secret()) as folders:
                tools.succeed(tools.POPHOOK, "check", "-c", folders.config())

    def test_a_scanner_finds_nothing_above_low(self):
        self.assertEqual(judges.scan(tools.helm(*VALUES["overlays/example"])), [])

    def test_values_that_make_no_sense_are_refused(self):
        for values, names in [
            ({"replicas": 2}, "replicas"),
            ({"config": {"mailboxes": []}}, "mailboxes"),
            ({"config": {"admin": {"listen": "127.0.0.1:8080"}}}, "listen"),
            ({"config": {"admin": {"probes_listen": "127.0.0.1:8081"}}}, "probes_listen"),
            ({"config": {"admin": {"tokens": "secret"}}}, "tokens"),
            ({"ingress": {"enabled": True, "host": "pophook.example.org", "tlsSecret": "pophook-tls"}}, "namespace"),
            ({"config": {"spool": {"url": "sqlite:/tmp/spool.db"}}}, "url"),
            ({"image": {"digest": "latest"}}, "digest"),
            ({"storage": {"size": 16}}, "size"),
            ({"files": {"pophook.yaml": ""}}, "files"),
            ({"secret": {"values": {"support-password": 12345}}}, "support-password"),
            ({"terminationGracePeriodSeconds": "45"}, "terminationGracePeriodSeconds"),
        ]:
            self.assertIn(names, self.refused(values), values)

    def test_names_follow_the_release(self):
        objects = self.rendered({"secret": {"create": True}}, release="mail")
        self.assertEqual({thing["metadata"]["name"] for thing in objects}, {"mail-pophook"})
        volumes = {volume["name"]: volume for volume in tools.pod(objects)["volumes"]}
        self.assertEqual(volumes["config"]["configMap"]["name"], "mail-pophook")
        self.assertEqual(volumes["secrets"]["secret"]["secretName"], "mail-pophook")
        self.assertEqual(tools.pod(objects)["serviceAccountName"], "mail-pophook")

    def test_what_is_set_arrives(self):
        certificate = "-----BEGIN CERTIFICATE-----\n: \"{{ not a template }}\"\n"
        objects = self.rendered({
            "image": {"digest": "sha256:" + "0" * 64},
            "imagePullSecrets": [{"name": "registry"}],
            "files": {"internal-ca.pem": certificate},
            "secret": {"name": "from-the-vault"},
            "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
            "serviceAccount": {"create": False, "name": "mail"},
            "networkPolicy": {"enabled": False},
            "ingress": {"enabled": True, "host": "mail.example.org", "tlsSecret": "mail-tls", "namespace": "edge",
                        "annotations": {"cert-manager.io/cluster-issuer": "internal"}},
            "podDisruptionBudget": {"enabled": False},
            "podAnnotations": {"example.com/team": "mail"},
            "podLabels": {"example.com/zone": "a"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "mail", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
        })
        self.assertEqual(sorted(thing["kind"] for thing in objects), ["ConfigMap", "Ingress", "Service", "StatefulSet"])
        pod, container = tools.pod(objects), tools.container(objects)
        self.assertEqual(container["image"], "pophook@sha256:" + "0" * 64)
        self.assertEqual(container["env"], [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}])
        self.assertEqual(tools.of_kind(objects, "ConfigMap")["data"]["internal-ca.pem"], certificate)
        secrets = {"name": "secrets", "secret": {"secretName": "from-the-vault", "defaultMode": 0o440}}
        self.assertIn(secrets, pod["volumes"])
        expected = {"imagePullSecrets": [{"name": "registry"}], "serviceAccountName": "mail",
                    "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "mail", "operator": "Exists"}],
                    "affinity": {"nodeAffinity": {}}, "priorityClassName": "high"}
        self.assertEqual({key: pod[key] for key in expected}, expected)
        ingress = tools.of_kind(objects, "Ingress")
        self.assertNotIn("ingressClassName", ingress["spec"], "the cluster's own")
        self.assertEqual(ingress["metadata"]["annotations"], {"cert-manager.io/cluster-issuer": "internal"})
        meta = tools.of_kind(objects, "StatefulSet")["spec"]["template"]["metadata"]
        self.assertEqual(meta["annotations"]["example.com/team"], "mail")
        self.assertEqual(meta["labels"]["example.com/zone"], "a")
        for thing in objects:
            self.assertIsNone(judges.refusal(thing, judges.RELEASES[-1]), thing["kind"])

    def test_the_versions_are_that_of_the_program(self):
        chart = yaml.safe_load((tools.CHART / "Chart.yaml").read_text())
        version = tools.succeed(tools.POPHOOK, "--version").split()[1]
        self.assertEqual((chart["version"], chart["appVersion"]), (version, version))

    def test_the_package_holds_all_that_it_needs(self):
        with tempfile.TemporaryDirectory() as folder:
            tools.succeed("helm", "package", tools.CHART, "--destination", folder)
            (package,) = pathlib.Path(folder).glob("*.tgz")
            values = VALUES["overlays/prometheus-operator"][0]
            packed = tools.succeed("helm", "template", "pophook", package, "--values", values)
            self.assertEqual(packed, tools.succeed("helm", "template", "pophook", tools.CHART, "--values", values))
