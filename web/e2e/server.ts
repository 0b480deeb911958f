import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const program =
  process.env.TODO_BACKEND ?? resolve(import.meta.dirname, '../../build/release/todo-backend');
const readyMs = 20_000;
const stopMs = 10_000;

/**
 * Below the ports that the system gives to outgoing connections: one of those would take the port of
 * a program that is down for a moment.
 */
const ports = { from: 12_000, to: 30_000 };

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(ports.from, ports.to);
    const server = createTcpServer();
    const free = await new Promise<boolean>((done) => {
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => done(true));
    });
    if (!free) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

/** The program itself, with data of its own that goes when it is stopped for good. */
export class Backend {
  readonly folder = mkdtempSync(join(tmpdir(), 'todo-web-'));
  port = 0;

  /** With a moment (UTC) the program's clock begins there: Debian's faketime sees to it. */
  constructor(private readonly moment: string | null = null) {}

  private process: ChildProcess | null = null;
  private log = '';

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    if (!existsSync(program)) throw new Error(`${program} is missing: run ./dev build`);
    this.port ||= await freePort();
    const command =
      this.moment === null
        ? [program, 'serve']
        : ['faketime', '--exclude-monotonic', '-f', this.moment, program, 'serve'];
    this.process = spawn(command[0]!, command.slice(1), {
      env: {
        TZ: 'UTC',
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
    return fetch(`${this.url}/readyz`).then(
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

/** Stands between a page and the program, to do to them what networks and deploys do. */
export class FaultyProxy {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  /** While false, no WebSocket is let through. */
  webSockets = true;
  /** Once true, the program's scripts have other names, as those of a new build. */
  deployed = false;
  port = 0;

  constructor(private readonly backend: Backend) {
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
    const path = from.url ?? '/';
    const renames = this.deployed && !path.startsWith('/api/');
    const { method } = from;
    const headers = renames ? { ...from.headers, 'accept-encoding': 'identity' } : from.headers;
    if (renames) delete headers['if-none-match'];
    const onward = request(
      {
        host: '127.0.0.1',
        port: this.backend.port,
        method,
        path: renames ? path.replace(/(new-)?([\w-]+\.js)$/, oldName) : path,
        headers,
      },
      async (answer) => {
        if (!renames) {
          to.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(to);
          return;
        }
        const text = (await answer.setEncoding('utf8').toArray()).join('');
        const { 'content-length': _, ...rest } = answer.headers;
        to.writeHead(answer.statusCode ?? 502, rest);
        to.end(text.replaceAll(/([\w.-]+\.js\b)/g, 'new-$1'));
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

/** What a new script is called in the program; a script of before is not there any more. */
const oldName = (_: string, isNew: string | undefined, name: string) =>
  isNew ? name : `gone-${name}`;
