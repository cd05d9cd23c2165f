"""The recipe of the image. The image itself takes minutes to build; deploy/README.md tells how."""

import pathlib
import re
import tempfile
import unittest

import yaml

import judges
import tools

DOCKERFILE = tools.DEPLOY / "Dockerfile"


class Image(unittest.TestCase):
    def test_a_linter_finds_nothing(self):
        tools.succeed("hadolint", DOCKERFILE)

    def test_a_linter_would_find_what_is_wrong(self):
        ran = tools.run("hadolint", "-", stdin="FROM debian\nRUN cd /tmp && sudo apt-get install curl\n")
        self.assertNotEqual(ran.returncode, 0)
        self.assertIn("DL3006", ran.stdout)

    def test_a_scanner_finds_nothing_above_low(self):
        self.assertEqual(judges.findings(DOCKERFILE), [])

    def test_a_scanner_would_find_that_it_runs_as_root(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "Dockerfile"
            copy.write_text(DOCKERFILE.read_text().replace("USER 10001:10001", "USER root"))
            self.assertNotEqual(judges.findings(copy), [])

    def test_it_runs_as_the_pods_user_and_where_the_pod_mounts(self):
        objects = tools.kustomize("base")
        text = DOCKERFILE.read_text()
        security = tools.pod(objects)["securityContext"]
        self.assertIn(f"\nUSER {security['runAsUser']}:{security['runAsGroup']}\n", text)
        (ports,) = re.findall(r"\nEXPOSE ([\d ]+)\n", text)
        self.assertEqual([port["containerPort"] for port in tools.container(objects)["ports"]], list(map(int, ports.split())))
        (command,) = re.findall(r"\nCMD (\[.*\])\n", text)
        command = yaml.safe_load(command)
        self.assertEqual(tools.container(objects)["args"][: len(command)], command)

    def test_the_toolchain_is_the_one_that_the_program_asks_for(self):
        cargo = (tools.ROOT / "Cargo.toml").read_text()
        (wanted,) = re.findall(r'^rust-version = "(.*)"$', cargo, re.MULTILINE)
        self.assertIn(f"\nARG BASE=docker.io/library/rust:{wanted}.", DOCKERFILE.read_text())

    def test_the_builder_sees_every_target_that_cargo_looks_for(self):
        cargo = (tools.ROOT / "Cargo.toml").read_text()
        named = re.findall(r'^\[\[(test|bench)\]\]\nname = "(.*)"$', cargo, re.MULTILINE)
        self.assertNotEqual(named, [])
        seen = (tools.ROOT / ".dockerignore").read_text().split("\n")
        for kind, name in named:
            self.assertIn({"test": f"!tests/{name}.rs", "bench": "!benches"}[kind], seen)
