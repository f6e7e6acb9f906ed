#!/usr/bin/env python3
"""Runs the pages of app.py headless against a running Atelier: ATELIER_URL=… test_app.py"""

import os
import sys
import time
import unittest
from pathlib import Path

import requests
from streamlit.testing.v1 import AppTest

URL = os.environ.get("ATELIER_URL", "http://127.0.0.1:8080")
APP = str(Path(__file__).with_name("app.py"))
TEACHER = f"teacher-{time.time_ns()}"


def opened(page: str) -> AppTest:
    """`page` as TEACHER opens it."""
    app = AppTest.from_file(APP, default_timeout=150).run()
    app.sidebar.text_input[0].set_value(TEACHER)
    app.sidebar.radio[0].set_value(page)
    app.run()
    assert not app.exception, app.exception
    return app


def assignments() -> list:
    return requests.get(f"{URL}/assignments", params={"teacher_id": TEACHER}, timeout=30).json()["assignments"]


def create(prompt: str, title: str = "", questions: str = "") -> AppTest:
    app = opened("Create")
    app.main.text_input[0].set_value(title)
    app.text_area[0].set_value(prompt)
    app.text_area[1].set_value(questions)
    app.main.button[0].click().run()
    assert not app.exception, app.exception
    return app


class Pages(unittest.TestCase):
    def tearDown(self):
        for assignment in assignments():
            requests.delete(f"{URL}/assignments/{assignment['assignment_id']}", timeout=30)

    def test_a_teacher_creates_an_assignment_and_sees_it(self):
        app = create("A castle by the sea", "The castle", "How many towers? = 3\nWhat is behind it? = the sea")
        self.assertFalse(app.error)
        self.assertEqual(len(app.get("image")), 1)
        (stored,) = assignments()
        self.assertEqual((stored["s3_upload_status"], stored["title"]), ("success", "The castle"))

        app = opened("Show")
        self.assertEqual([it.label for it in app.expander], ["The castle"])
        app.button(key=f"delete-{stored['assignment_id']}").click().run()
        self.assertFalse(app.exception)
        self.assertEqual(list(app.expander), [])

    def test_what_the_api_refuses_is_shown_in_words_and_loses_nothing(self):
        app = opened("Create")
        app.sidebar.text_input[0].set_value("t" * 257)
        app.text_area[0].set_value("A castle by the sea")
        app.main.button[0].click().run()
        self.assertIn("teacher_id", app.error[0].value)
        self.assertEqual(app.text_area[0].value, "A castle by the sea")

    def test_an_assignment_without_a_prompt_is_saved_without_a_picture(self):
        app = create("", questions="How many towers? = 3")
        self.assertEqual([it.value for it in app.success], ["Saved. It has no picture."])

    def test_a_student_completes_what_a_teacher_shares(self):
        create("A castle by the sea", "The castle", "How many towers? = 3\nWhat is behind it? = the sea")
        (stored,) = assignments()
        app = opened("Show")
        app.button(key=f"share-{stored['assignment_id']}").click().run()
        token = app.code[0].value

        app = opened("Complete")
        app.main.text_input[0].set_value(token).run()
        self.assertEqual(app.header[0].value, "The castle")
        questions = [it.label for it in app.main.text_input][2:]
        self.assertEqual(questions, ["How many towers?", "What is behind it?"])
        _, name, towers, behind = app.main.text_input
        name.set_value("Ada")
        towers.set_value(" 3 ")
        behind.set_value("a forest")
        app.main.button[0].click().run()
        self.assertEqual([it.value for it in app.success], ["How many towers?"])
        self.assertEqual([it.value for it in app.error], ["What is behind it?"])

    def test_an_unknown_link_is_told(self):
        app = opened("Complete")
        app.main.text_input[0].set_value("A" * 32).run()
        self.assertFalse(app.exception)
        self.assertTrue(app.error)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
