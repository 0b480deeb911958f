"""nginx before several servers: each request to the next of them, one that is away is passed over."""
import pathlib
import socket

from harness import parts

PROGRAM = "/usr/sbin/nginx"
START_SECONDS = 20

CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $wanted_connection {{ default upgrade; "" ""; }}
  upstream servers {{
{servers}
    keepalive 32;
  }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 2m;
    location / {{
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $wanted_connection;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_connect_timeout 2s;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries 2;
    }}
  }}
}}
"""


class RoundRobin(parts.Part):
    """Runs from its making to close()."""

    def __init__(self, folder: pathlib.Path, servers: list, port: int):
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder / "nginx.log")
        self.port = port
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            folder=folder, port=port, servers="\n".join(
                f"    server 127.0.0.1:{each} max_fails=1 fail_timeout=1s;" for each in servers)))
        self.begin([PROGRAM, "-c", configuration, "-p", folder, "-e", folder / "error.log"])
        self.await_ready(self._answers, START_SECONDS)

    def __enter__(self) -> "RoundRobin":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False
