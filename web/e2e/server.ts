import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize, resolve } from 'node:path';

const program = resolve(import.meta.dirname, '../../build/release/todo-backend');
const dist = resolve(import.meta.dirname, '../dist');
const readyMs = 20_000;
const stopMs = 10_000;

/** The policy that the program sends with the page; a breach of it fails the tests. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

export async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** The program itself, with data of its own that goes when it is stopped for good. */
export class Backend {
  readonly folder = mkdtempSync(join(tmpdir(), 'todo-web-'));
  port = 0;
  private process: ChildProcess | null = null;
  private log = '';

  async start(): Promise<void> {
    if (!existsSync(program)) throw new Error(`${program} is missing: run ./dev build`);
    this.port ||= await freePort();
    this.process = spawn(program, ['serve'], {
      env: {
        PATH: process.env.PATH ?? '',
        HOST: '127.0.0.1',
        PORT: String(this.port),
        METRICS_PORT: '0',
        DATA_DIR: this.folder,
        RATE_LIMITS: 'off',
        LOG_LEVEL: 'warning',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (text) => {
        this.log = (this.log + text).slice(-10_000);
      });
    }
    const until = Date.now() + readyMs;
    while (!(await this.ready())) {
      if (this.process.exitCode !== null || Date.now() > until) {
        throw new Error(`The server did not start:\n${this.log}`);
      }
      await new Promise((done) => setTimeout(done, 30));
    }
  }

  private ready(): Promise<boolean> {
    return fetch(`http://127.0.0.1:${this.port}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
  }

  async stop(): Promise<void> {
    const child = this.process;
    this.process = null;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    const kill = setTimeout(() => child.kill('SIGKILL'), stopMs);
    child.kill('SIGTERM');
    await ended;
    clearTimeout(kill);
  }

  async end(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Serves what was built as the program does, and hands on everything else to it. */
export class Front {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  /** While false, no WebSocket is let through. */
  webSockets = true;
  port = 0;

  constructor(
    private readonly backend: Backend,
    private readonly folder = dist,
  ) {
    this.server = createServer((from, to) => this.answer(from, to));
    this.server.on('upgrade', (from, socket, head) => this.upgrade(from, socket as Socket, head));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    await new Promise<void>((done) => this.server.listen(this.port, '127.0.0.1', done));
    this.port = (this.server.address() as AddressInfo).port;
  }

  async end(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((done) => this.server.close(done));
  }

  private answer(from: IncomingMessage, to: ServerResponse): void {
    const path = new URL(from.url ?? '/', 'http://x').pathname;
    if (/^\/(api|healthz|readyz)\b/.test(path)) {
      this.handOn(from, to);
      return;
    }
    const file = normalize(join(this.folder, path));
    const inside = file.startsWith(this.folder);
    if (inside && extname(file) !== '' && existsSync(file)) send(to, file, path);
    else if (path.startsWith('/assets/')) to.writeHead(404).end();
    else send(to, join(this.folder, 'index.html'), '/');
  }

  private handOn(from: IncomingMessage, to: ServerResponse): void {
    const { method, url, headers } = from;
    const onward = request(
      { host: '127.0.0.1', port: this.backend.port, method, path: url, headers },
      (answer) => {
        to.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(to);
      },
    );
    // As if the program itself were gone: the browser sees a lost connection, not a proxy's page.
    onward.on('error', () => to.destroy());
    from.pipe(onward);
  }

  private upgrade(from: IncomingMessage, socket: Socket, head: Buffer): void {
    if (!this.webSockets) {
      socket.destroy();
      return;
    }
    const onward = connect(this.backend.port, '127.0.0.1', () => {
      const lines = [`GET ${from.url} HTTP/1.1`];
      for (let i = 0; i < from.rawHeaders.length; i += 2) {
        lines.push(`${from.rawHeaders[i]}: ${from.rawHeaders[i + 1]}`);
      }
      onward.write(`${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  }
}

function send(to: ServerResponse, file: string, path: string): void {
  const hashed = path.startsWith('/assets/');
  to.writeHead(200, {
    'Content-Type': types[extname(file)] ?? 'application/octet-stream',
    'Cache-Control': hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
  });
  to.end(readFileSync(file));
}
