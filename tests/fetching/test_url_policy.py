"""Which URL is asked for an image URI, and which hosts may be."""

from __future__ import annotations

import base64
import re

import pytest

from backend.errors import ImageForbidden, ImageUnavailable
from backend.fetching import show_url
from backend.fetching.url_policy import (
    check_host,
    image_uri_to_url,
    is_immutable,
    may_redirect_anywhere,
    may_see_token,
    named_hosts,
    resolve_redirect,
    url_origin,
)

LS = "http://label-studio:8080"


@pytest.mark.parametrize(
    ("image_uri", "url"),
    [
        ("/data/upload/2/a.png", f"{LS}/data/upload/2/a.png"),
        ("data/upload/2/a.png", f"{LS}/data/upload/2/a.png"),
        ("/data/local-files/?d=a/b c.png", f"{LS}/data/local-files/?d=a/b c.png"),
        ("//evil.org/a.png", f"{LS}/evil.org/a.png"),
        (f"{LS}/data/upload/2/a.png", f"{LS}/data/upload/2/a.png"),
        ("http://localhost:8080/data/local-files/?d=a.png", f"{LS}/data/local-files/?d=a.png"),
        ("http://127.0.0.1/tasks/7/resolve/?fileuri=abc", f"{LS}/tasks/7/resolve/?fileuri=abc"),
        ("http://localhost:9000/pictures/a.png", "http://localhost:9000/pictures/a.png"),
        ("https://a.org/data/upload/a.png", "https://a.org/data/upload/a.png"),
        ("S3://bucket/key", f"{LS}/tasks/7/resolve/?fileuri={base64.urlsafe_b64encode(b'S3://bucket/key').decode()}"),
    ],
)
def test_where_an_image_is_asked_for(image_uri: str, url: str) -> None:
    assert image_uri_to_url(image_uri, 7, LS) == url


def test_cloud_uris_are_encoded_for_a_query() -> None:
    """In plain base64 this key would hold a slash and a plus."""
    url = image_uri_to_url("gs://b/üÿ?>", 1, LS)
    assert "+" not in url.partition("fileuri=")[2] and "/" not in url.partition("fileuri=")[2]
    assert base64.urlsafe_b64decode(url.partition("fileuri=")[2]).decode() == "gs://b/üÿ?>"


def test_a_loopback_host_that_is_allowed_by_name_is_not_taken_for_label_studio() -> None:
    url = "http://localhost:9000/data/a.png"
    assert image_uri_to_url(url, 7, LS, frozenset({"localhost:9000"})) == url
    assert image_uri_to_url(url, 7, LS, frozenset({"localhost:9001"})) == f"{LS}/data/a.png"


@pytest.mark.parametrize("image_uri", ["/ls/data/upload/2/a.png", "/data/upload/2/a.png"])
def test_label_studio_may_live_under_a_path(image_uri: str) -> None:
    url = image_uri_to_url(image_uri, None, "https://a.org/ls/")
    assert url == "https://a.org/ls/data/upload/2/a.png"
    assert is_immutable(url, "https://a.org/ls")


@pytest.mark.parametrize("scheme", ["data", "file", "ftp", "blob", "javascript"])
def test_schemes_that_are_no_storage_are_refused(scheme: str) -> None:
    with pytest.raises(ImageUnavailable, match=f"has the unsupported scheme {scheme}:.*Upload the image"):
        image_uri_to_url(f"{scheme}:image/png;base64,AAAA", 7, LS)


def test_without_label_studio_only_full_addresses_are_found() -> None:
    assert image_uri_to_url("https://a.org/a.png", None, "") == "https://a.org/a.png"
    for uri in ("/data/upload/a.png", "s3://bucket/key"):
        with pytest.raises(ImageUnavailable, match=f"{uri} is stored in Label Studio.*Set LABEL_STUDIO_URL"):
            image_uri_to_url(uri, 7, "")


def test_cloud_storage_needs_a_task() -> None:
    with pytest.raises(ImageUnavailable, match="s3://bucket/key is in cloud storage and was sent without a task id"):
        image_uri_to_url("s3://bucket/key", None, LS)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://A.org/x", ("http", "a.org", 80)),
        ("HTTPS://a.org./x", ("https", "a.org", 443)),
        ("http://a.org:81", ("http", "a.org", 81)),
        ("http://[::1]:8/x", ("http", "::1", 8)),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: tuple[str, str, int]) -> None:
    assert url_origin(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "http://label-studio:8080@evil.org/a.png",
        "http://label-studio:8080\\@evil.org/a.png",
        "http://evil.org\\.label-studio:8080/a.png",
        "http://user:pass@a.org/a.png",
        "http://a.org\n/x",
        "http:///a.png",
        "http://a.org:99999/a.png",
        "http://a.org:0/a.png",
        "http://[::1/a.png",
        "ftp://a.org/a.png",
    ],
)
def test_addresses_that_two_readers_could_understand_differently_are_refused(url: str) -> None:
    with pytest.raises(ImageUnavailable, match=r"is not an (unambiguous )?http\(s\) URL"):
        url_origin(url)


@pytest.mark.parametrize(
    "url",
    [
        f"{LS}/x",
        "http://a.org/x",
        "https://a.org:99/x",
        "http://b.org:8000/x",
        "http://B.org:8000/x",
        "http://[fd00::1]:8000/x",
        "http://[fd00::2]:9/x",
        "http://[FD00::3]:9/x",
    ],
)
def test_hosts_that_may_be_asked(url: str) -> None:
    check_host(url, LS, frozenset({"a.org", "b.org:8000", "[fd00::1]:8000", "fd00::2", "[fd00::3]"}))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254:80"),
        ("http://b.org/x", "b.org:80"),
        ("http://label-studio:6379/x", "label-studio:6379"),
        ("https://label-studio:8080/x", "label-studio:8080"),
        ("http://a.org.evil.org/x", "a.org.evil.org:80"),
        ("http://[::1:8000]:7/x", "[::1:8000]:7"),
    ],
)
def test_all_other_hosts_are_refused_by_name(url: str, host: str) -> None:
    name = host.removesuffix(":80")  # a name alone would open all ports of it
    message = rf"is on {re.escape(host)}, a host.*Add {re.escape(name)} to IMAGE_ALLOWED_HOSTS"
    with pytest.raises(ImageForbidden, match=message):
        check_host(url, LS, frozenset({"a.org", "b.org:8000"}))


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (LS, {"a.org", "label-studio:8080"}),
        ("https://Label.example.org./ls/", {"a.org", "label.example.org:443"}),
        ("http://[::1]", {"a.org", "[::1]:80"}),
        ("", {"a.org"}),
        ("label-studio:8080", {"a.org"}),
        ("http://a:b@label-studio", {"a.org"}),
    ],
)
def test_the_settings_name_label_studio_with_its_port(url: str, named: set[str]) -> None:
    assert named_hosts(url, frozenset({"a.org"})) == named


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/data/b.png", f"{LS}/data/b.png"),
        ("//evil.org/b.png", "http://evil.org/b.png"),
        ("/\\evil.org/b.png", f"{LS}/\\evil.org/b.png"),
        ("https://evil.org/b.png#@label-studio:8080", "https://evil.org/b.png#@label-studio:8080"),
        ("", f"{LS}/data/a.png"),
    ],
)
def test_where_a_redirect_leads(location: str, target: str) -> None:
    assert resolve_redirect(f"{LS}/data/a.png", location) == target


def test_a_redirect_to_what_is_no_url_is_named_without_its_query() -> None:
    with pytest.raises(ImageUnavailable, match=r"^http://label-studio:8080/data/a redirects to http://\[::1, which"):
        resolve_redirect(f"{LS}/data/a?d=secret", "http://[::1?secret")


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/data/upload/1/a.png", True),
        ("/data/local-files/?d=x", True),
        ("/storage-data/uploaded/?filepath=a", True),
        ("/tasks/7/resolve/?fileuri=x", True),
        ("/projects/7/presign/?fileuri=x", True),
        ("/api/users", False),
        ("/data/../api/users", False),
        ("/data/%2e%2e/api/users", False),
        ("/tasks/7/", False),
        ("/user/login/", False),
    ],
)
@pytest.mark.parametrize("own", [LS, f"{LS}/ls"])
def test_only_label_studios_files_may_see_the_token(own: str, path: str, may: bool) -> None:
    assert may_see_token(f"{own}{path}", own) is may
    assert not may_see_token(f"http://a.org{path}", own)
    assert not may_see_token(f"{own}{path}", "")


@pytest.mark.parametrize(
    ("url", "may"),
    [
        (f"{LS}/tasks/7/resolve/?fileuri=x", True),
        (f"{LS}/projects/7/resolve/?fileuri=x", True),
        (f"{LS}/data/upload/1/a.png", True),
        (f"{LS}/storage-data/uploaded/?filepath=a", True),
        (f"{LS}/user/login/?next=//evil.org", False),
        (f"{LS}/data/local-files/?d=x", False),
        ("http://a.org/tasks/7/resolve/", False),
    ],
)
def test_only_label_studios_storage_addresses_may_redirect_anywhere(url: str, may: bool) -> None:
    assert may_redirect_anywhere(url, LS) is may


def test_only_uploads_of_label_studio_never_change() -> None:
    assert is_immutable(f"{LS}/data/upload/1/a.png", LS)
    assert not is_immutable(f"{LS}/data/local-files/?d=data/upload/a.png", LS)
    assert not is_immutable("http://a.org/data/upload/1/a.png", LS)


def test_what_is_shown_of_a_url_holds_no_signature_and_is_short() -> None:
    assert show_url("https://a.org/a.png?X-Amz-Signature=secret") == "https://a.org/a.png"
    assert show_url("/data/local-files/?d=a.png") == "/data/local-files/?d=a.png"
    assert len(show_url("/data/" + "A" * 10_000)) == 200
    assert show_url("http://me:secret@a.org/a.png#there") == "http://***@a.org/a.png"
    assert show_url("https://a.org?X-Amz-Signature=a/b@c") == "https://a.org"
    assert show_url("http://[::1/a.png") == "http://[::1/a.png"


def test_a_refused_host_of_a_thousand_letters_is_cut_in_the_message() -> None:
    with pytest.raises(ImageForbidden, match="a host that is not allowed") as refusal:
        check_host(f"http://{'a' * 10_000}/a.png", LS, frozenset())
    assert len(str(refusal.value)) < 1000
