"""The page and its answers over HTTP: to browsers of this machine, and to pages of no other site.

  GET  /, /page.css, /page.js      the page
  GET  /networks                   what there is to try, and how large an upload may be
  POST /faces?aligned=0            a photo's bytes: what the networks say of its faces
  POST /saliency?network=0         a face's crop: which pixels the answers hang on

Answers are JSON; what goes wrong is {"problem": a sentence}. Uploads are in memory while they are answered, and no
longer. Other sites can make a browser ask us, but not under our name: `Host` is checked against names that they point
at this machine (DNS rebinding), `Origin` against their own, and nothing allows them to read an answer.
"""

import contextlib
import errno
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from socket import SHUT_RD, socket
from socketserver import TCPServer, ThreadingMixIn
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from mtl.app.answers import FindFaces, Network, answer_photo, answer_saliency, describe
from mtl.errors import UserError
from mtl.trained.facts import in_plain_words

ADDRESS = "127.0.0.1"  # nobody else's machine reaches it
NAMES = (ADDRESS, "localhost")  # by which a browser may have found us
MAX_UPLOAD = 20 * 2**20  # bytes
MAX_DISCARDED = 16 * MAX_UPLOAD  # of an upload that is refused; a connection closed before loses the answer
LENGTH = re.compile(r"[0-9]{1,15}")
PATIENCE = 30  # seconds without a byte
FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src blob: data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Refused(UserError):
    """A request that is not answered, with HTTP's number for it."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Server(ThreadingMixIn, TCPServer):
    """A thread per request, of which one at a time asks the networks.

    Closing it waits for the answer that is being made, and for no other: an interpreter that ends while torch computes
    in a thread aborts.
    """

    allow_reuse_address = True  # after one that has just ended; it takes no port from one that listens

    def __init__(self, networks: Sequence[Network], find_faces: FindFaces, port: int) -> None:
        self.networks, self.find_faces = networks, find_faces
        self._lock, self._connections, self._closes = Lock(), set[socket](), False
        super().__init__((ADDRESS, port), Handler)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While the networks are asked."""
        with self._lock:
            if self._closes:
                raise ConnectionAbortedError("the page is being closed")
            yield

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        self._closes = True
        for connection in [*self._connections]:
            with contextlib.suppress(OSError):  # the browser was faster
                connection.shutdown(SHUT_RD)  # a browser that keeps one for later, or is slow, is not waited for
        super().server_close()

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):  # a browser that has left
            super().handle_error(request, client_address)


def open_server(networks: Sequence[Network], find_faces: FindFaces, port: int) -> Server:
    """A server that listens and does not answer yet.

    Args:
      networks: to be tried.
      find_faces: of photos that are not aligned.
      port: 0 takes any that is free.

    Raises:
      UserError: the port is in use, or may not be taken.
    """
    try:
        return Server(networks, find_faces, port)
    except OSError as error:
        reasons = {errno.EADDRINUSE: "is in use", errno.EACCES: "may not be taken by you"}
        if error.errno not in reasons:
            raise
        raise UserError(f"port {port} of this machine {reasons[error.errno]}: give another one") from error


def serve(server: Server) -> None:
    """Answers until Ctrl-C."""
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = PATIENCE
    unread = 0  # bytes of the upload

    def do_GET(self) -> None:
        self._respond(self._get)

    def do_POST(self) -> None:
        said = LENGTH.fullmatch(self.headers.get("Content-Length", ""))
        self.unread = int(said[0]) if said else 0
        self._respond(self._post)
        self._discard()

    def _get(self) -> tuple[str, bytes]:
        path = self.path.partition("?")[0]
        if path == "/networks":
            networks = describe(self.server.networks)
            return _as_json({"networks": networks, "max_upload": MAX_UPLOAD, "not_for": in_plain_words(None)[1]})
        if path not in FILES:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")
        name, kind = FILES[path]
        return f"{kind}; charset=utf-8", files(__package__).joinpath(name).read_bytes()

    def _post(self) -> tuple[str, bytes]:
        networks, path = self.server.networks, self.path.partition("?")[0]
        if path == "/faces":
            aligned, data = self._number("aligned", 2) == 1, self._upload()
            with self.server.alone():
                return _as_json(answer_photo(networks, self.server.find_faces, data, aligned))
        if path == "/saliency":
            network, data = networks[self._number("network", len(networks))], self._upload()
            with self.server.alone():
                return _as_json({"pictures": answer_saliency(network, data)})
        raise Refused(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")

    def _respond(self, make: Callable[[], tuple[str, bytes]]) -> None:
        """Sends what is made, or the sentence on why it is not."""
        status = HTTPStatus.OK
        try:
            self._check_who_asks()
            kind, body = make()
        except UserError as error:
            status = error.status if isinstance(error, Refused) else HTTPStatus.UNPROCESSABLE_ENTITY
            kind, body = _as_json({"problem": f"{error}."})
        except OSError:
            raise  # the connection's
        except Exception:  # our own mistake: the page goes on, and whoever started it can report this
            traceback.print_exc()
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            kind, body = _as_json({"problem": "mtl failed at this; the terminal in which it runs says where."})
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _check_who_asks(self) -> None:
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host.partition(":")[0].lower() not in NAMES:
            raise Refused(HTTPStatus.FORBIDDEN, f"this page has the names {' and '.join(NAMES)}, and no other")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            raise Refused(HTTPStatus.FORBIDDEN, "this page is not for other sites")

    def _upload(self) -> bytes:
        if not LENGTH.fullmatch(self.headers.get("Content-Length", "")):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "an upload has to say how long it is")
        if self.unread > MAX_UPLOAD:
            size, most = self.unread / 2**20, MAX_UPLOAD / 2**20
            sentence = f"this file has {size:,.1f} MiB, and at most {most:.0f} are taken"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)
        data = self.rfile.read(self.unread)
        self.unread -= len(data)
        if self.unread:
            raise ConnectionAbortedError("the browser left in the middle of its upload")
        return data

    def _discard(self) -> None:
        """Reads what is left of an upload: whoever sends it looks for an answer only afterwards."""
        left = min(self.unread, MAX_DISCARDED)
        while left and (data := self.rfile.read(min(left, 2**16))):
            left -= len(data)

    def _number(self, name: str, below: int) -> int:
        """Of the query: a whole number from 0 to `below` - 1."""
        text = parse_qs(self.path.partition("?")[2]).get(name, ["0"])[-1]
        if text not in map(str, range(below)):
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} is a number from 0 to {below - 1}")
        return int(text)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        return "mtl"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are no news."""


def _as_json(value: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(value, allow_nan=False).encode()
