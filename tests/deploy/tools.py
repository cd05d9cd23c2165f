"""What the tests of deploy/ share: its places, how to render it, and a pod's folders as the kubelet makes them."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
CHART = DEPLOY / "helm" / "pophook"
OVERLAYS = ["base", "overlays/prometheus-operator", "overlays/example"]

TOOLS = pathlib.Path(os.environ["TOOLS"])
POPHOOK = pathlib.Path(os.environ["POPHOOK"])


def run(*command, stdin=None, cwd=ROOT):
    """Runs a program to its end; one of our tools by its name alone."""
    program = TOOLS / "bin" / command[0]
    words = [str(program if program.exists() else command[0]), *map(str, command[1:])]
    return subprocess.run(words, input=stdin, cwd=cwd, capture_output=True, text=True, timeout=120)


def succeed(*command, **options):
    """What a program prints that has to succeed."""
    ran = run(*command, **options)
    assert ran.returncode == 0, f"{' '.join(map(str, command))}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def kustomize(folder):
    """The objects that a folder of deploy/kubernetes renders to."""
    return list(yaml.safe_load_all(succeed("kubectl", "kustomize", KUBERNETES / folder)))


def helm(*values, release="pophook"):
    """The objects that the chart renders to, with these files of values."""
    files = [word for file in values for word in ("--values", file)]
    rendered = succeed("helm", "template", release, CHART, *files)
    return [document for document in yaml.safe_load_all(rendered) if document]


def of_kind(objects, kind):
    """The one object of a kind."""
    (found,) = [other for other in objects if other["kind"] == kind]
    return found


def pod(objects):
    """The pod that the StatefulSet makes."""
    return of_kind(objects, "StatefulSet")["spec"]["template"]["spec"]


def container(objects):
    """The pod's only container."""
    (found,) = pod(objects)["containers"]
    return found


def example_secret():
    """The Secret that is shown as an example."""
    return yaml.safe_load((KUBERNETES / "overlays/example/secret.yaml").read_text())["stringData"]


def own_secret():
    """The same with tokens of one's own, as those of an example are refused."""
    own = {name: f"{name}-that-nobody-else-has" for name in example_secret() if name.endswith("-token")}
    return {**example_secret(), **own}


class Folders:
    """The folders of a pod, below one of our own, as long as this context lasts."""

    def __init__(self, objects, secret):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="pophook-pod-"))
        self.mounts = []
        volumes = {volume["name"]: volume for volume in pod(objects)["volumes"]}
        for mount in container(objects)["volumeMounts"]:
            volume = volumes.get(mount["name"], {})
            place = self.root / mount["mountPath"].lstrip("/")
            self.mounts.append(mount["mountPath"])
            if "configMap" in volume:
                config_map = of_kind(objects, "ConfigMap")
                assert volume["configMap"]["name"] == config_map["metadata"]["name"]
                self._mount(place, config_map["data"])
            elif "secret" in volume:
                self._mount(place, secret)
            else:
                place.mkdir(parents=True)

    @staticmethod
    def _mount(place, files):
        """As the kubelet does it: each file is a link into a folder that is a link itself."""
        real = place / "..2026_01_31"
        real.mkdir(parents=True)
        (place / "..data").symlink_to(real.name)
        for name, text in files.items():
            (real / name).write_text(text)
            (place / name).symlink_to(pathlib.Path("..data") / name)

    def config(self):
        """The configuration, with paths that lie below our folder."""
        inside = self.root / "etc/pophook/pophook.yaml"
        mounts = re.compile("|".join(map(re.escape, self.mounts)))
        text = mounts.sub(lambda mount: f"{self.root}{mount[0]}", inside.read_text())
        outside = self.root / "pophook.yaml"
        outside.write_text(text)
        return outside

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)
