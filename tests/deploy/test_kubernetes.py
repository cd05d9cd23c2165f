"""The kustomize base and its overlays: their shape, what they forbid, and how they fit the program."""

import copy
import functools
import re
import unittest
import urllib.parse

import yaml

import tools
from judges import RELEASES, refusal, scan, seconds_to_end

# Secrets by their keys in the configuration.
SECRETS = {"password", "client_secret", "refresh_token", "service_account", "token", "signing_keys", "bearer_token",
           "client_key", "key", "mailgun_signing_key", "proxy", "access_key_id", "secret_access_key"}


def secrets_in(value, path=""):
    """Every secret of a configuration, with its place."""
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from secrets_in(inner, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in SECRETS or path.endswith(".headers"):
                for one in inner if isinstance(inner, list) else [inner]:
                    yield f"{path}.{key}", one
            else:
                yield from secrets_in(inner, f"{path}.{key}")


def ports_of(config):
    """The ports that a configuration has pophook ask, DNS among them."""
    mailboxes = {mailbox.get("port", 995) for mailbox in config["mailboxes"]}
    urls = [urllib.parse.urlsplit(endpoint["url"]) for endpoint in config["endpoints"]]
    endpoints = {url.port or {"http": 80, "https": 443}[url.scheme] for url in urls}
    reports = {config["notices"]["smtp"].get("port", 587)} if "notices" in config else set()
    return {(53, "UDP")} | {(port, "TCP") for port in {53} | mailboxes | endpoints | reports}


def each(test):
    """A test of what each overlay renders to."""

    @functools.wraps(test)
    def tests(self):
        for folder, objects in self.rendered.items():
            with self.subTest(folder):
                test(self, objects)

    return tests


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rendered = {folder: tools.kustomize(folder) for folder in tools.OVERLAYS}

    @staticmethod
    def config(objects):
        """pophook's configuration, as data."""
        return yaml.safe_load(tools.of_kind(objects, "ConfigMap")["data"]["pophook.yaml"])

    def test_what_is_rendered_is_what_an_operator_expects(self):
        base = ["ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "StatefulSet"]
        watched = [*base, "PodMonitor", "PrometheusRule"]
        expected = dict(zip(tools.OVERLAYS, [base, watched, [*watched, "Ingress", "Namespace", "Secret"]]))
        kinds = {folder: sorted(thing["kind"] for thing in objects) for folder, objects in self.rendered.items()}
        self.assertEqual(kinds, {folder: sorted(kinds) for folder, kinds in expected.items()})

    @each
    def test_every_release_takes_it(self, objects):
        for release in RELEASES:
            for thing in objects:
                self.assertIsNone(refusal(thing, release), f"{release}: {thing['kind']}")

    def test_a_misspelt_key_would_be_refused(self):
        objects = copy.deepcopy(self.rendered["overlays/prometheus-operator"])
        tools.container(objects)["securityContext"]["readOnlyRootFileSystem"] = True
        tools.of_kind(objects, "PodMonitor")["spec"]["podMetricsEndpoint"] = []
        tools.of_kind(objects, "PrometheusRule")["spec"]["groups"][0]["rules"][0]["record_"] = "x"
        for kind in ["StatefulSet", "PodMonitor", "PrometheusRule"]:
            self.assertIsNotNone(refusal(tools.of_kind(objects, kind), RELEASES[-1]), kind)

    @each
    def test_a_scanner_finds_nothing_above_low(self, objects):
        self.assertEqual(scan(objects), [])

    def test_a_scanner_would_find_a_pod_that_may_do_more(self):
        own = lambda pod: pod["containers"][0]["securityContext"]
        for what, change in {
            "privileged": lambda pod: own(pod).update(privileged=True),
            "root": lambda pod: pod["securityContext"].update(runAsNonRoot=False, runAsUser=0),
            "the node's network": lambda pod: pod.update(hostNetwork=True),
            "a capability": lambda pod: own(pod).update(capabilities={"add": ["SYS_ADMIN"]}),
        }.items():
            objects = copy.deepcopy(self.rendered["base"])
            change(tools.pod(objects))
            self.assertNotEqual(scan(objects), [], what)

    @each
    def test_the_pod_keeps_to_the_restricted_profile(self, objects):
        pod, container = tools.pod(objects), tools.container(objects)
        self.assertFalse(pod["automountServiceAccountToken"])
        self.assertFalse(tools.of_kind(objects, "ServiceAccount")["automountServiceAccountToken"])
        security = pod["securityContext"]
        self.assertTrue(security["runAsNonRoot"])
        self.assertEqual([security[key] for key in ("runAsUser", "runAsGroup", "fsGroup")], [10001] * 3)
        self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
        own = container["securityContext"]
        self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
        self.assertFalse(own["allowPrivilegeEscalation"])
        self.assertTrue(own["readOnlyRootFilesystem"])
        kinds = {key for volume in pod["volumes"] for key in volume} - {"name"}
        self.assertEqual(kinds, {"configMap", "secret", "emptyDir"})
        namespace = tools.of_kind(self.rendered["overlays/example"], "Namespace")
        self.assertEqual(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted")

    @each
    def test_one_pod_at_a_time_and_a_drain_may_take_it_ready_or_not(self, objects):
        spec = tools.of_kind(objects, "StatefulSet")["spec"]
        self.assertEqual(spec["replicas"], 1)
        # Rolling, and not bound to a pod that never gets ready: a mended template takes its place.
        self.assertEqual((spec["updateStrategy"], spec["podManagementPolicy"]), ({"type": "RollingUpdate"}, "Parallel"))
        budget = tools.of_kind(objects, "PodDisruptionBudget")["spec"]
        self.assertEqual((budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]), (1, "AlwaysAllow"))

    @each
    def test_files_follow_what_they_are_made_of(self, objects):
        for mount in tools.container(objects)["volumeMounts"]:
            self.assertNotIn("subPath", mount)
        names = [volume[kind].get("name", volume[kind].get("secretName"))
                 for volume in tools.pod(objects)["volumes"] for kind in ("configMap", "secret") if kind in volume]
        self.assertEqual(names, ["pophook", "pophook"], "a name with a hash would start the pod anew")

    @each
    def test_the_selectors_find_the_pod(self, objects):
        labels = tools.of_kind(objects, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
        spec = {thing["kind"]: thing.get("spec", {}) for thing in objects}
        selectors = [spec["StatefulSet"]["selector"]["matchLabels"], spec["Service"]["selector"],
                     spec["NetworkPolicy"]["podSelector"]["matchLabels"],
                     spec["PodDisruptionBudget"]["selector"]["matchLabels"]]
        if "PodMonitor" in spec:
            selectors.append(spec["PodMonitor"]["selector"]["matchLabels"])
        for selector in selectors:
            self.assertEqual(selector, labels)
        self.assertEqual(spec["StatefulSet"]["serviceName"], "pophook")

    @each
    def test_the_ports_are_those_of_the_configuration(self, objects):
        admin = self.config(objects)["admin"]
        ports = {}
        for name, key in {"http": "listen", "metrics": "probes_listen"}.items():
            host, _, port = admin[key].rpartition(":")
            self.assertEqual(host, "0.0.0.0", "nobody else asks at the loopback address")
            ports[name] = int(port)
        container = tools.container(objects)
        self.assertEqual({port["name"]: port["containerPort"] for port in container["ports"]}, ports)
        for probe, path in {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}.items():
            self.assertEqual(container[f"{probe}Probe"]["httpGet"], {"path": path, "port": "metrics"})
        service = tools.of_kind(objects, "Service")["spec"]["ports"]
        self.assertEqual({port["targetPort"]: port["port"] for port in service}, ports)

    @each
    def test_prometheus_reaches_the_metrics_alone_and_the_ingress_controller_the_page_alone(self, objects):
        rules = tools.of_kind(objects, "NetworkPolicy")["spec"]["ingress"]
        reached = {}
        for rule in rules:
            (peer,), (port,) = rule["from"], rule["ports"]
            namespace = peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            reached[namespace] = (port["port"], port["protocol"])
        expected = {"monitoring": ("metrics", "TCP")}
        ingresses = [thing for thing in objects if thing["kind"] == "Ingress"]
        for ingress in ingresses:
            expected["traefik"] = ("http", "TCP")
            (rule,), (tls,) = ingress["spec"]["rules"], ingress["spec"]["tls"]
            self.assertEqual(tls["hosts"], [rule["host"]], "its own name, by TLS")
            (path,) = rule["http"]["paths"]
            service = tools.of_kind(objects, "Service")
            self.assertEqual(path["backend"]["service"], {"name": service["metadata"]["name"], "port": {"name": "http"}})
        self.assertEqual(reached, expected)
        for monitor in (thing for thing in objects if thing["kind"] == "PodMonitor"):
            (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
            self.assertEqual(endpoint["port"], "metrics")

    @each
    def test_somebody_may_look_and_somebody_may_act(self, objects):
        self.assertEqual({token["role"] for token in self.config(objects)["admin"]["tokens"]}, {"read", "operate"})

    @each
    def test_there_is_time_to_open_a_large_spool(self, objects):
        probe = tools.container(objects)["startupProbe"]
        self.assertGreaterEqual(probe["periodSeconds"] * probe["failureThreshold"], 1800)

    @each
    def test_the_pod_may_ask_whom_the_configuration_names(self, objects):
        asked = ports_of(self.config(objects))
        rules = tools.of_kind(objects, "NetworkPolicy")["spec"]["egress"]
        allowed = {(port["port"], port["protocol"]) for rule in rules for port in rule["ports"]}
        self.assertEqual(asked - allowed, set())

    @each
    def test_the_pod_has_time_to_drain(self, objects):
        self.assertGreaterEqual(tools.pod(objects)["terminationGracePeriodSeconds"], seconds_to_end() + 10)

    @each
    def test_the_volume_is_larger_than_the_spool(self, objects):
        gib = lambda text: int(re.fullmatch(r"(\d+)Gi[B]?", text)[1])
        config = self.config(objects)
        (claim,) = tools.of_kind(objects, "StatefulSet")["spec"]["volumeClaimTemplates"]
        room = gib(claim["spec"]["resources"]["requests"]["storage"])
        self.assertGreaterEqual(room, gib(config["spool"]["max_size"]) + 2)

    @each
    def test_every_secret_is_a_file_that_is_mounted(self, objects):
        found = list(secrets_in(self.config(objects)))
        self.assertGreaterEqual(len(found), 4)
        for path, secret in found:
            self.assertEqual(list(secret), ["file"], path)
            folder, _, name = secret["file"].rpartition("/")
            self.assertEqual(folder, "/run/secrets/pophook", path)
            self.assertIn(name, tools.example_secret(), path)

    @each
    def test_pophook_takes_the_configuration(self, objects):
        with tools.Folders(objects, tools.own_secret()) as folders:
            tools.succeed(tools.POPHOOK, "check", "-c", folders.config())

    @each
    def test_the_tokens_of_the_example_open_nothing(self, objects):
        with tools.Folders(objects, tools.example_secret()) as folders:
            checked = tools.run(tools.POPHOOK, "check", "-c", folders.config())
        self.assertEqual(checked.returncode, 64)
        self.assertEqual((checked.stdout + checked.stderr).count("is that of an example"), 2)

    def test_pophook_would_say_which_file_is_missing(self):
        for name in ["helpdesk-key", "ops-token"]:
            secret = tools.own_secret()
            del secret[name]
            with tools.Folders(self.rendered["base"], secret) as folders:
                checked = tools.run(tools.POPHOOK, "check", "-c", folders.config())
            self.assertEqual(checked.returncode, 64)
            self.assertIn(f"/run/secrets/pophook/{name}", checked.stdout + checked.stderr)

    def test_who_wants_no_page_needs_no_token(self):
        objects = copy.deepcopy(self.rendered["base"])
        config = self.config(objects)
        config["admin"]["tokens"] = []
        tools.of_kind(objects, "ConfigMap")["data"]["pophook.yaml"] = yaml.safe_dump(config)
        secret = {name: value for name, value in tools.own_secret().items() if not name.endswith("-token")}
        with tools.Folders(objects, secret) as folders:
            tools.succeed(tools.POPHOOK, "check", "-c", folders.config())

    @each
    def test_the_version_is_that_of_the_program(self, objects):
        version = tools.succeed(tools.POPHOOK, "--version").split()[1]
        self.assertEqual(tools.container(objects)["image"].rpartition(":")[2], version)
