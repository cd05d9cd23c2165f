"""The unit of systemd."""

import configparser
import pathlib
import re
import tempfile
import unittest

import judges
import tools

UNIT = tools.DEPLOY / "systemd/pophook.service"
# By the scale of `systemd-analyze security`, from 0 (nothing is open) to 100; what is left is the network, and a user.
EXPOSURE_MAX = 15


def settings():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    return parser


class Systemd(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.unit = pathlib.Path(folder.name) / "pophook.service"

    def verify(self, text):
        """What systemd says of the unit, with the program where it really is; nothing is installed for it."""
        self.unit.write_text(text.replace("/usr/local/bin/pophook", str(tools.POPHOOK)))
        ran = tools.run("systemd-analyze", "verify", "--man=no", self.unit)
        # It also tells of units of this machine.
        told = [line for line in ran.stderr.split("\n") if "pophook" in line]
        return ran.returncode, told

    def test_systemd_takes_it(self):
        self.assertEqual(self.verify(UNIT.read_text()), (0, []))

    def test_systemd_would_tell_what_it_does_not_know(self):
        _, told = self.verify(UNIT.read_text().replace("ProtectSystem=strict", "ProtectSystem=stricter"))
        self.assertNotEqual(told, [])
        _, told = self.verify(UNIT.read_text().replace("NoNewPrivileges=", "NoNewPrivilege="))
        self.assertNotEqual(told, [])

    def test_little_is_open_to_it(self):
        version = int(tools.succeed("systemd-analyze", "--version").split()[1])
        if version < 250:
            self.skipTest(f"systemd {version} judges only units that run")
        self.verify(UNIT.read_text())
        options = ["--offline=yes", "--no-pager", f"--threshold={EXPOSURE_MAX}"]
        told = tools.run("systemd-analyze", "security", *options, self.unit)
        self.assertEqual(told.returncode, 0, told.stdout)

    def test_it_has_time_to_drain(self):
        (seconds,) = re.findall(r"^(\d+)s$", settings()["Service"]["TimeoutStopSec"])
        self.assertGreaterEqual(int(seconds), judges.seconds_to_end() + 10)

    def test_it_is_not_started_again_with_a_bad_configuration(self):
        missing = tools.run(tools.POPHOOK, "run", "-c", self.unit.with_name("missing.yaml"))
        self.assertEqual(settings()["Service"]["RestartPreventExitStatus"], str(missing.returncode))
