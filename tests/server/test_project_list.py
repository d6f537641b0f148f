"""Links from the status page into Label Studio."""

from __future__ import annotations

import pytest

from backend.server.project_list import ProjectStatus, link_projects


def project(number: str, origin: str) -> ProjectStatus:
    return ProjectStatus(number, origin, {}, "")


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/projects/3/data"),
        ("https://label.example.org/", "https://label.example.org/projects/3/data"),
        ("https://example.org/label-studio", "https://example.org/label-studio/projects/3/data"),
    ],
)
def test_a_project_is_linked_to_its_tasks(origin: str, url: str) -> None:
    assert project("3", origin).url == url


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "javascript:alert(1)//",
        "javascript://example.org/%0aalert(1)",
        "//example.org",
        "http://me:password@example.org",
        "http://example.org?next=x",
        "http://example.org/#a",
        "http://example.org\nhttp://b",
        "http://" + "a" * 80 + "…",  # cut where it was stored
        "http://<b>",
    ],
)
def test_what_is_no_plain_address_of_a_website_is_not_linked(origin: str) -> None:
    assert project("3", origin).url == ""


@pytest.mark.parametrize("number", ["", "3/../../logout", "3?x", "९", "1" * 19])
def test_what_is_no_project_id_is_not_linked(number: str) -> None:
    assert project(number, "http://ls").url == ""


def test_an_id_that_two_label_studios_use_is_ambiguous() -> None:
    projects = [project("3", "http://a"), project("3", "http://b"), project("4", "http://a"), project("5", "?")]
    assert link_projects(projects) == {"4": "http://a/projects/4/data"}


def test_the_same_project_in_two_entries_is_not_ambiguous() -> None:
    assert link_projects([project("3", "http://a"), project("3", "http://a")]) == {"3": "http://a/projects/3/data"}
