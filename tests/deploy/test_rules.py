"""The copies of the alert rules."""

import unittest

import rules


class Rules(unittest.TestCase):
    def test_the_copies_are_those_of_the_rules(self):
        for file, text in rules.copies().items():
            self.assertEqual(file.read_text(), text, f"{file}: run python3 tests/deploy/rules.py --write")
