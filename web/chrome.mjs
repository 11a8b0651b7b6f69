// Headless Chromium with a page in it, driven by its own protocol over a pipe: evaluate, click, press keys, take pictures; also inside the page's workers.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.css': 'text/css' };

// The program's name, or nothing.
export function program() {
  return ['chromium', 'chromium-browser', 'google-chrome'].find((name) => spawnSync(name, ['--version']).status === 0);
}

// Serves a folder on the loopback address.
export async function serve(folder) {
  const server = http.createServer((request, response) => {
    const name = path.normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    const file = path.join(folder, name === '/' ? 'index.html' : name);
    if (!fs.existsSync(file) || !fs.statSync(file).isFile()) { response.writeHead(404).end(); return; }
    response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
    fs.createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { port: server.address().port, address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

// A browser with one page. `messages` are what its console and those of its workers said of warnings and errors, and what was thrown. `flags` are more of
// Chromium's; `inWorkers` is run in each worker before its own code.
export async function open(name, { width = 1440, height = 900, flags = [], inWorkers = '' } = {}) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'steepest-chromium-'));
  const all = ['--headless', '--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', `--user-data-dir=${profile}`,
    '--disable-background-networking', '--disable-sync', '--disable-component-update', '--no-first-run', '--metrics-recording-only',
    '--proxy-server=127.0.0.1:9', '--proxy-bypass-list=<-loopback>;localhost;127.0.0.1;*.test', '--remote-debugging-pipe', ...flags, 'about:blank'];
  const browser = spawn(name, all, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const [to, from] = [browser.stdio[3], browser.stdio[4]];
  // A browser that is gone takes no more commands.
  to.on('error', () => {});
  const waiting = new Map();
  const messages = [];
  let workers = [];
  let [next, rest] = [1, ''];
  const hear = ({ method, params, sessionId }) => {
    if (method === 'Runtime.consoleAPICalled' && ['warning', 'error'].includes(params.type)) {
      messages.push(params.args.map((value) => value.value ?? value.description).join(' '));
    } else if (method === 'Runtime.exceptionThrown') {
      messages.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    } else if (method === 'Log.entryAdded' && ['warning', 'error'].includes(params.entry.level)) {
      messages.push(`${params.entry.text} ${params.entry.url ?? ''}`);
    } else if (method === 'Target.attachedToTarget' && params.targetInfo.type === 'worker') {
      const worker = params.sessionId;
      workers.push(worker);
      for (const [what, how] of [['Runtime.enable'], ['Log.enable'], ['Runtime.evaluate', { expression: inWorkers }], ['Runtime.runIfWaitingForDebugger']]) {
        send(what, how, worker).catch(() => {});
      }
    } else if (method === 'Target.detachedFromTarget') workers = workers.filter((worker) => worker !== params.sessionId);
    else if (method === 'Target.targetCrashed' || method === 'Inspector.targetCrashed') messages.push(`crashed ${sessionId ?? ''}`);
  };
  from.on('data', (piece) => {
    const parts = (rest + piece).split('\0');
    rest = parts.pop();
    for (const part of parts) {
      const told = JSON.parse(part);
      if (!told.id) { hear(told); continue; }
      const { resolve, reject } = waiting.get(told.id);
      waiting.delete(told.id);
      if (told.error) reject(new Error(told.error.message)); else resolve(told.result);
    }
  });
  let session = null;
  // `where` is a session: the page's if it is not said, the browser's if it is null.
  const send = (method, params = {}, where = session) => new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, { resolve, reject });
    to.write(`${JSON.stringify({ id, method, params, ...(where ? { sessionId: where } : {}) })}\0`);
  });
  const value = ({ result, exceptionDetails }) => {
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  const attach = async (targetId) => {
    session = (await send('Target.attachToTarget', { targetId, flatten: true }, null)).sessionId;
    for (const domain of ['Page', 'Runtime', 'Log', 'DOM']) await send(`${domain}.enable`);
    await send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: true, flatten: true });
    await page.size(width, height);
  };
  const page = {
    messages,
    send,
    size: (wide, high, mobile = false) => send('Emulation.setDeviceMetricsOverride', { width: wide, height: high, deviceScaleFactor: 1, mobile }),
    // The value of an expression; promises are awaited.
    async evaluate(expression) {
      return value(await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }));
    },
    // The same in the worker that was begun last.
    async inWorker(expression) {
      return value(await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, workers.at(-1)));
    },
    // Waits until an expression is true.
    async until(expression, patience = 60_000) {
      const begun = Date.now();
      while (!(await page.evaluate(`Boolean(${expression})`))) {
        if (Date.now() - begun > patience) throw new Error(`never: ${expression}; the page says: ${await page.evaluate('document.getElementById("message")?.textContent')}; console: ${messages}`);
        await new Promise((resolve) => { setTimeout(resolve, 40); });
      }
      return Date.now() - begun;
    },
    async go(address) {
      await send('Page.navigate', { url: 'about:blank' });
      await send('Page.navigate', { url: address });
    },
    // Presses a key: `Tab`, `Enter`, `ArrowRight`, a letter.
    async key(key, { shift = false } = {}) {
      const code = { Tab: 9, Enter: 13, ' ': 32, End: 35, Home: 36, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40, '.': 190 }[key];
      const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined;
      const event = { key, code: key === ' ' ? 'Space' : key, windowsVirtualKeyCode: code ?? key.toUpperCase().charCodeAt(0), modifiers: shift ? 8 : 0 };
      await send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', text, ...event });
      await send('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
    },
    // Moves the mouse to a place of an element, from its left upper corner, and clicks there if that is wanted.
    async mouse(selector, x, y, clicks = false) {
      const [left, top] = await page.evaluate(`{ const element = document.querySelector(${JSON.stringify(selector)}); element.scrollIntoView({ block: "center" }); const { left, top } = element.getBoundingClientRect(); [left, top]; }`);
      const at = { x: left + x, y: top + y };
      await send('Input.dispatchMouseEvent', { type: 'mouseMoved', ...at });
      if (!clicks) return;
      for (const type of ['mousePressed', 'mouseReleased']) await send('Input.dispatchMouseEvent', { type, ...at, button: 'left', clickCount: 1 });
    },
    // What the page saves goes to this folder.
    downloads: (folder) => send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: path.resolve(folder) }, null),
    async files(selector, paths) {
      // By reference: a node's number is no longer valid once the page has put another element there.
      const { result } = await send('Runtime.evaluate', { expression: `document.querySelector(${JSON.stringify(selector)})` });
      await send('DOM.setFileInputFiles', { objectId: result.objectId, files: paths.map((file) => path.resolve(file)) });
    },
    async picture(file) {
      const { data } = await send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true });
      fs.writeFileSync(file, Buffer.from(data, 'base64'));
    },
    // Closes the page as a person closes a tab, and opens another one.
    async another() {
      const { targetInfos } = await send('Target.getTargets', {}, null);
      const old = targetInfos.find(({ type }) => type === 'page').targetId;
      const { targetId } = await send('Target.createTarget', { url: 'about:blank' }, null);
      await send('Target.closeTarget', { targetId: old }, null);
      await attach(targetId);
    },
    async close() {
      await send('Browser.close', {}, null).catch(() => browser.kill());
      await new Promise((resolve) => { if (browser.exitCode !== null || browser.signalCode !== null) resolve(); else browser.once('exit', resolve); });
      // Its other processes may still write for a moment.
      fs.rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
  const { targetInfos } = await send('Target.getTargets');
  await attach(targetInfos.find(({ type }) => type === 'page').targetId);
  return page;
}
