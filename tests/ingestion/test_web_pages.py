"""URLs and sitemaps from a real web server: polite, within limits, only what has changed, and no private address unasked."""

import gzip
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from doyen import Doyen
from doyen.core.errors import InputError, UnreadableDocument
from doyen.core.store.schema import DocumentRow, WebFetchRow
from doyen.core.workspace import Workspace
from doyen.ingestion.ingest import ingest
from doyen.ingestion.readers.limits import Limits
from doyen.ingestion.removal import remove_document
from doyen.ingestion.web import addresses, fetch
from doyen.ingestion.web.fetch import Fetcher
from doyen.ingestion.web.urls import normalised
from doyen.platform.documents import delete_documents, ingest_documents

LIMITS = Limits(1_000_000, 4_000_000, 100)
PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>The {0} opens at 2.4 bar.</p></body></html>"


class Site(ThreadingHTTPServer):
    """A web server: path → (status, headers, body) or a function that answers; it notes what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: dict = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def page(self, path: str, body: str | bytes, content_type: str = "text/html; charset=utf-8", **headers: str) -> str:
        data = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (200, {"Content-Type": content_type, **named}, data)
        return self.url + path

    def count(self, path: str) -> int:
        return Counter(asked for asked, _ in self.asked)[path]


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        answer = self.server.answers.get(self.path, (404, {}, b""))
        if callable(answer):
            answer(self)
            return
        status, headers, body = answer
        if status == 200 and headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
            status, body = 304, b""
        if status == 200 and headers.get("Last-Modified") and self.headers.get("If-Modified-Since") == headers["Last-Modified"]:
            status, body = 304, b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site():
    server = Site()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def intranet(workspace):
    """The workspace with leave to read from this machine, and without pauses."""
    (workspace.root / "doyen.toml").write_text("[ingestion]\nallow_private_urls = true\nurl_delay_s = 0\nmax_file_mb = 1\n")
    return Workspace(workspace.root)


def fetched(url: str, **options) -> fetch.Fetched:
    with Fetcher(LIMITS, **{"allow_private": True, "delay_s": 0, **options}) as fetcher:
        return fetcher.get(normalised(url))


def test_a_page_is_a_document_and_a_second_run_asks_only_whether_it_has_changed(intranet, store, site):
    url = site.page("/valve", PAGE.format("valve"), ETag='"1"')
    report = ingest(intranet, store, [], urls=[f"{url}#part"])
    assert (report.added, report.failed) == ([url], [])
    with store.session() as session:
        row = session.scalars(select(DocumentRow)).one()
        assert (row.source, row.root, row.title, row.media_type) == (url, url, "valve", "text/html")
    assert ingest(intranet, store, [], urls=[url]).unchanged == [url]
    assert site.asked[-1][1]["If-None-Match"] == '"1"'
    assert site.asked[-1][1]["User-Agent"].startswith("Doyen/")
    site.page("/valve", PAGE.format("gate valve"), ETag='"2"')
    assert ingest(intranet, store, [], urls=[url]).updated == [url]


def test_last_modified_and_equal_content_spare_reading_too(intranet, store, site):
    dated = site.page("/dated", PAGE.format("pump"), Last_Modified="Tue, 05 Mar 2024 14:07:00 GMT")
    plain = site.page("/plain", PAGE.format("hose"))
    assert len(ingest(intranet, store, [], urls=[dated, plain]).added) == 2
    assert sorted(ingest(intranet, store, [], urls=[dated, plain]).unchanged) == sorted([dated, plain])


def test_the_content_type_decides_the_reader(intranet, store, site):
    answers = {
        site.page("/table", "Part,Price\nA-1,3\nA-2,4\n", "text/csv"): "Part: A-1 | Price: 3",
        site.page("/a.md", "# Head\n\n*text*", "text/plain"): "Head\n\ntext",
        site.page("/data.json?v=1", '{"flow": 2.4}', "application/json"): "flow: 2.4",
        site.page("/old", "größer als 5".encode("cp1252"), "text/html; charset=windows-1252"): "größer als 5",
        site.page("/odd", "<meta charset=latin1><p>größer".encode(), 'text/html; charset="utf-8"'): "größer",
    }
    report = ingest(intranet, store, [], urls=list(answers))
    assert (report.failed, set(report.added)) == ([], set(answers))
    with Doyen(intranet.root) as doyen, doyen.store.session() as session:
        from doyen.core.store.schema import DocumentVersionRow

        for version in session.scalars(select(DocumentVersionRow)):
            assert version.text.startswith(answers[version.source])
    bad = [site.page("/x", b"RIFF", "video/x-msvideo"), site.page("/y", b"x", "application/octet-stream"), f"{site.url}/gone"]
    reasons = dict(ingest(intranet, store, [], urls=bad).failed)
    assert "type video/x-msvideo is not read" in reasons[bad[0]]
    assert "type application/octet-stream is not read" in reasons[bad[1]]
    assert "answers 404: it is gone" in reasons[bad[2]]


def sitemap(*urls: str, kind: str = "urlset", element: str = "url") -> str:
    inner = "".join(f"<{element}><loc>{url}</loc></{element}>" for url in urls)
    return f'<?xml version="1.0"?><{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inner}</{kind}>'


def test_a_sitemap_stands_for_its_pages_and_what_it_names_no_more_goes(intranet, store, site):
    pages = [site.page(f"/p{n}", PAGE.format(f"valve {n}"), ETag=f'"{n}"') for n in range(5)]
    packed = gzip.compress(sitemap(*pages[3:]).encode())
    inner = [site.page("/one.xml", sitemap(*pages[:3], "http://other.example/x"), "application/xml"),
             site.page("/two.xml.gz", packed, "application/gzip")]  # fmt: skip
    start = site.page("/sitemap.xml", sitemap(*inner, kind="sitemapindex", element="sitemap"), "application/xml")
    report = ingest(intranet, store, [], urls=[start])
    assert (sorted(report.added), report.failed) == (pages, [])
    assert report.skipped == [("http://other.example/x", f"it is of another site than {start}: name it itself")]
    bodies = [site.count(f"/p{n}") for n in range(5)]
    assert sorted(ingest(intranet, store, [], urls=[start]).unchanged) == pages
    assert [site.count(f"/p{n}") for n in range(5)] == [count + 1 for count in bodies]
    remove_document(store, pages[4])
    site.page("/one.xml", sitemap(*pages[1:3]), "application/xml")
    report = ingest(intranet, store, [], urls=[start])
    assert (report.removed, report.added) == ([pages[0]], [])
    assert report.skipped[0][0] == pages[4]
    assert ingest(intranet, store, [], urls=[pages[4]]).added == [pages[4]]


def test_a_sitemap_is_read_within_limits(intranet, store, site):
    (intranet.root / "doyen.toml").write_text("[ingestion]\nallow_private_urls = true\nurl_delay_s = 0\nmax_urls = 2\n")
    pages = [site.page(f"/p{n}", PAGE.format(f"valve {n}")) for n in range(4)]
    start = site.page("/sitemap.xml", sitemap(*pages), "application/xml")
    report = ingest(Workspace(intranet.root), store, [], urls=[start])
    assert len(report.added) == 2
    assert "names 4 pages, only the first 2" in report.skipped[0][1]
    entity = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><urlset><url><loc>http://h/&a;</loc></url>'
    broken = [site.page("/b.xml", entity, "application/xml"), site.page("/c.xml", "<urlset><url>", "application/xml")]
    for url, reason in ingest(Workspace(intranet.root), store, [], urls=broken).failed:
        assert url in broken
        assert "damaged sitemap" in reason


def test_robots_txt_is_obeyed(intranet, store, site):
    site.page("/robots.txt", "User-agent: *\nDisallow: /\n\nUser-agent: Doyen\nDisallow: /secret\n", "text/plain")
    url, secret = site.page("/a", PAGE.format("a")), site.page("/secret/b", PAGE.format("b"))
    site.answers["/jump"] = (302, {"Location": "/secret/b"}, b"")
    report = ingest(intranet, store, [], urls=[url, secret, f"{site.url}/jump"])
    assert report.added == [url]
    assert all("robots.txt does not allow it" in reason for _, reason in report.failed)
    assert (len(report.failed), site.count("/secret/b"), site.count("/robots.txt")) == (2, 0, 1)


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, True), (500, False), (503, False)])
def test_a_missing_robots_txt_allows_and_a_failing_one_forbids(site, status, allowed):
    site.answers["/robots.txt"] = (status, {}, b"")
    url = site.page("/a", "text", "text/plain")
    if allowed:
        assert fetched(url).data == b"text"
    else:
        with pytest.raises(UnreadableDocument, match=r"robots\.txt does not allow"):
            fetched(url)


def test_requests_to_a_host_have_a_pause_between_them(site):
    site.page("/robots.txt", "User-agent: *\nCrawl-delay: 1\n", "text/plain")
    urls = [site.page(f"/{n}", "text", "text/plain") for n in range(3)]
    began = time.monotonic()
    with Fetcher(LIMITS, allow_private=True, delay_s=0.05) as fetcher:
        for url in urls:
            fetcher.get(url)
    assert time.monotonic() - began >= 2


def test_private_addresses_are_refused_without_leave(workspace, store, site):
    url = site.page("/a", PAGE.format("a"))
    named = url.replace("127.0.0.1", "localhost")
    report = ingest(workspace, store, [], urls=[url, named, "http://10.1.2.3/", "http://[::1]/"])
    assert [bad for bad, _ in report.failed] == [url, named, "http://10.1.2.3/", "http://[::1]/"]
    assert all("ingestion.allow_private_urls" in reason for _, reason in report.failed)
    assert site.asked == []


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "[::ffff:169.254.169.254]"]
)
def test_addresses_of_cloud_metadata_are_refused_on_an_intranet_too(site, host):
    site.answers["/jump"] = (302, {"Location": f"http://{host}/latest/meta-data"}, b"")
    with pytest.raises(UnreadableDocument, match="clouds keep metadata"):
        fetched(f"http://127.0.0.1:{site.server_port}/jump")


@pytest.fixture
def names(site, monkeypatch):
    """Names with public addresses, behind which the test's server stands: name → addresses, the next one at each resolution.

    Returns:
        The names, and the addresses that were connected to.
    """
    connect, resolve = addresses.httpcore.SyncBackend.connect_tcp, socket.getaddrinfo
    answers: dict[str, list[str]] = {}
    connected: list[str] = []

    def getaddrinfo(host, port, *rest, **more):
        if host not in answers:
            return resolve(host, port, *rest, **more)
        address = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect_tcp(self, host, port, *rest):
        connected.append(host)
        return connect(self, "127.0.0.1", port, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(addresses.httpcore.SyncBackend, "connect_tcp", connect_tcp)
    return answers, connected


def test_a_name_is_resolved_for_each_connection_and_the_checked_address_is_connected_to(site, names):
    answers, connected = names
    answers["public.example"] = ["93.184.216.34", "127.0.0.1"]  # DNS rebinding
    site.page("/a", "text", "text/plain")
    site.answers["/robots.txt"] = (404, {"Connection": "close"}, b"")
    with pytest.raises(UnreadableDocument, match=r"private address 127\.0\.0\.1"):
        fetched(f"http://public.example:{site.server_port}/a", allow_private=False)
    assert connected == ["93.184.216.34"]


def test_a_redirect_to_a_private_address_is_refused(site, names):
    names[0].update({"public.example": ["93.184.216.34"], "inner.example": ["10.0.0.7"]})
    site.answers["/a"] = (302, {"Location": f"http://inner.example:{site.server_port}/b"}, b"")
    site.page("/b", "secret", "text/plain")
    with pytest.raises(UnreadableDocument, match=r"'inner\.example' has the private address 10\.0\.0\.7"):
        fetched(f"http://public.example:{site.server_port}/a", allow_private=False)
    assert site.count("/b") == 0


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("::1", False), ("::", False), ("fe80::1", False), ("fd00::1", False), ("ff02::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
        ("168.63.129.16", False),
    ],
)  # fmt: skip
def test_public_addresses(address, public):
    assert addresses.is_public(ip_address(address)) is public


def trickle(handler: BaseHTTPRequestHandler, byte: bytes) -> None:
    for _ in range(200):
        try:
            handler.wfile.write(byte)
            time.sleep(0.05)
        except OSError:
            return


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/plain")
    handler.end_headers()
    trickle(handler, b"x")


def slow_head(handler: BaseHTTPRequestHandler) -> None:
    trickle(handler, b"H")


@pytest.mark.parametrize("answer", [drip, slow_head])
def test_a_server_that_sends_byte_by_byte_is_left_in_time(site, monkeypatch, answer):
    monkeypatch.setattr(fetch, "SECONDS", 1.0)
    site.answers["/slow"] = answer
    began = time.monotonic()
    with pytest.raises(UnreadableDocument, match="does not answer in time"):
        fetched(f"{site.url}/slow")
    assert time.monotonic() - began < 8


def test_too_large_endless_packed_and_broken_answers(site):
    large = site.page("/large", b"x" * 1_100_000, "text/plain")
    with pytest.raises(UnreadableDocument, match=r"more than ingestion\.max_file_mb = 1"):
        fetched(large)
    site.answers["/loop"] = (302, {"Location": "/loop"}, b"")
    with pytest.raises(UnreadableDocument, match="redirects more than 5 times"):
        fetched(f"{site.url}/loop")
    site.answers["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    with pytest.raises(UnreadableDocument, match="redirects to what is no URL"):
        fetched(f"{site.url}/file")
    with pytest.raises(UnreadableDocument, match="packs its answer"):
        fetched(site.page("/packed", gzip.compress(b"x"), "text/plain", Content_Encoding="gzip"))
    site.answers["/broken"] = lambda handler: handler.wfile.write(b"nonsense\r\n\r\n")
    with pytest.raises(UnreadableDocument, match="cannot be fetched"):
        fetched(f"{site.url}/broken")


def test_nobody_there_and_bad_urls_are_failures_of_their_own(intranet, store, site):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        good = site.page("/a", PAGE.format("a"))
        bad = ["http://", "http://ann:secret-word@127.0.0.1/", "http://a b/", "https://[::1", nobody]
        report = ingest(intranet, store, [], urls=[*bad, good])
    assert report.added == [good]
    assert [url for url, _ in report.failed] == bad
    assert "secret-word" not in dict(report.failed)[bad[1]]


@given(st.text(max_size=60))
def test_no_url_breaks_and_what_is_normal_stays(text):
    try:
        url = normalised(f"http://{text}")
    except InputError:
        return
    assert url.isascii()
    assert normalised(url) == url


def test_urls_stand_for_themselves():
    assert normalised("HTTP://Bücher.Example:80/a b?q=ü#x") == "http://xn--bcher-kva.example/a%20b?q=%C3%BC"
    assert normalised("https://host:8443") == "https://host:8443/"


def test_what_a_server_said_of_a_purged_page_is_erased_too(intranet, store, site):
    kept, purged = (site.page(path, PAGE.format(path[1:]), ETag=f'"{path}"') for path in ("/valve", "/vault"))
    ingest_documents(intranet, store, [], urls=[kept, purged])
    delete_documents(intranet, store, [purged])
    with store.session() as session:
        assert set(session.scalars(select(WebFetchRow.url))) == {kept, purged}
    delete_documents(intranet, store, [purged], purge=True)
    with store.session() as session:
        assert session.scalars(select(WebFetchRow.url)).all() == [kept]
    assert b"/vault" not in b"".join(path.read_bytes() for path in intranet.state.glob("doyen.db*"))
