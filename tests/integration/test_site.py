"""The web interface as the program itself serves it: without a file beside it."""
import gzip
import re

import pytest

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def get(server, path, **headers):
    return server.request("GET", "/" + path, headers=headers)


@pytest.fixture(scope="module")
def page(server):
    return get(server, "/").expect(200)


@pytest.fixture(scope="module")
def script(page):
    return re.search(r'<script type="module"[^>]* src="(/assets/[\w-]+\.js)"', page.body.decode())[1]


@pytest.mark.smoke
def test_the_page_names_what_the_server_has(server, page):
    assert page.header("Content-Type") == "text/html; charset=utf-8"
    assert page.header("Cache-Control") == "no-cache"
    named = re.findall(r'(?:src|href)="(/[^"]+)"', page.body.decode())
    assert len(named) >= 4
    for path in named:
        answer = get(server, path).expect(200)
        hashed = path.startswith("/assets/")
        assert ("immutable" in answer.header("Cache-Control")) == hashed, path


def test_the_page_runs_no_script_but_its_own(page):
    policy = page.header("Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    # So nothing may stand in the page itself.
    text = page.body.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)


def test_a_script_comes_packed_once_and_is_then_known(server, script):
    plain = get(server, script).expect(200)
    packed = get(server, script, **{"Accept-Encoding": "gzip"}).expect(200)
    assert packed.header("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    assert "Accept-Encoding" in packed.header("Vary")
    smaller = get(server, script, **{"Accept-Encoding": "gzip, deflate, br"}).expect(200)
    assert smaller.header("Content-Encoding") == "br" and len(smaller.body) < len(packed.body)
    tags = {answer.header("ETag") for answer in (plain, packed, smaller)}
    assert len(tags) == 3
    known = {"If-None-Match": smaller.header("ETag"), "Accept-Encoding": "br"}
    same = get(server, script, **known).expect(304)
    assert same.body == b"" and same.header("ETag") == smaller.header("ETag")


@pytest.mark.parametrize("path", ["/today", "/category/a%20b", "/login", "/v1.0/healthz"])
def test_a_browser_gets_the_page_at_every_address(server, page, path):
    answer = get(server, path, **HTML).expect(200)
    assert answer.body == page.body and answer.header("Cache-Control") == "no-cache"
    head = server.request("HEAD", "/" + path, headers=HTML).expect(200)
    assert head.body == b"" and head.header("Content-Length") == str(len(page.body))
    get(server, path).expect(404)
    server.request("POST", "/" + path, headers=HTML).expect(404)


@pytest.mark.parametrize("path", [
    "/api", "/api/v1/nothing", "/mcp/nothing", "/healthz/", "/readyz/", "/assets/index-old.js",
    "/assets/", "/assets/..%2findex.html"])
def test_what_is_not_there_is_not_the_page(server, path):
    answer = get(server, path, **HTML).expect(404)
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.json()["status"] == 404


def test_a_file_takes_no_change(server, script):
    refused = server.request("POST", "/" + script, "{}").expect(405)
    assert refused.header("Allow") == "GET, HEAD"


def test_health_answers_browsers_too(server):
    assert get(server, "/healthz", **HTML).expect(200).json() == {"status": "ok"}


def test_requests_of_the_page_are_counted_together(server):
    before = server.metric("todo_http_requests_total", 'route="web"')
    get(server, "/today", **HTML).expect(200)
    assert server.metric("todo_http_requests_total", 'route="web"') == before + 1
