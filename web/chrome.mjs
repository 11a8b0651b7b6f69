// Headless Chromium with a page in it, driven by its own protocol over a pipe: evaluate, click, take pictures.
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
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

// A browser with one page. `messages` are what its console said of warnings and errors, and what was thrown.
export async function open(name, { width = 1440, height = 900 } = {}) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'steepest-chromium-'));
  const flags = ['--headless', '--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', `--user-data-dir=${profile}`,
    '--disable-background-networking', '--disable-sync', '--disable-component-update', '--no-first-run', '--metrics-recording-only',
    '--proxy-server=127.0.0.1:9', '--proxy-bypass-list=<-loopback>;localhost;127.0.0.1', '--remote-debugging-pipe', 'about:blank'];
  const browser = spawn(name, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const [to, from] = [browser.stdio[3], browser.stdio[4]];
  const waiting = new Map();
  const messages = [];
  let [next, rest] = [1, ''];
  from.on('data', (piece) => {
    const parts = (rest + piece).split('\0');
    rest = parts.pop();
    for (const part of parts) {
      const told = JSON.parse(part);
      if (told.id) {
        const { resolve, reject } = waiting.get(told.id);
        waiting.delete(told.id);
        if (told.error) reject(new Error(told.error.message)); else resolve(told.result);
      } else if (told.method === 'Runtime.consoleAPICalled' && ['warning', 'error'].includes(told.params.type)) {
        messages.push(told.params.args.map((value) => value.value ?? value.description).join(' '));
      } else if (told.method === 'Runtime.exceptionThrown') {
        messages.push(told.params.exceptionDetails.exception?.description ?? told.params.exceptionDetails.text);
      } else if (told.method === 'Log.entryAdded' && ['warning', 'error'].includes(told.params.entry.level)) {
        messages.push(`${told.params.entry.text} ${told.params.entry.url ?? ''}`);
      }
    }
  });
  let session;
  const send = (method, params = {}, browserWide = false) => new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, { resolve, reject });
    to.write(`${JSON.stringify({ id, method, params, ...(session && !browserWide ? { sessionId: session } : {}) })}\0`);
  });
  const { targetInfos } = await send('Target.getTargets');
  const { targetId } = targetInfos.find(({ type }) => type === 'page');
  session = (await send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
  for (const domain of ['Page', 'Runtime', 'Log', 'DOM']) await send(`${domain}.enable`);
  const size = (wide, high, mobile = false) => send('Emulation.setDeviceMetricsOverride', { width: wide, height: high, deviceScaleFactor: 1, mobile });
  await size(width, height);
  const page = {
    messages,
    send,
    size,
    // The value of an expression; promises are awaited.
    async evaluate(expression) {
      const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    },
    // Waits until an expression is true.
    async until(expression, patience = 60_000) {
      const begun = Date.now();
      while (!(await page.evaluate(`Boolean(${expression})`))) {
        if (Date.now() - begun > patience) throw new Error(`never: ${expression}; the page says: ${await page.evaluate('document.getElementById("message")?.textContent')}; console: ${messages}`);
        await new Promise((resolve) => { setTimeout(resolve, 50); });
      }
      return Date.now() - begun;
    },
    async go(address) {
      await send('Page.navigate', { url: 'about:blank' });
      await send('Page.navigate', { url: address });
    },
    async files(selector, paths) {
      const { root } = await send('DOM.getDocument');
      const { nodeId } = await send('DOM.querySelector', { nodeId: root.nodeId, selector });
      await send('DOM.setFileInputFiles', { nodeId, files: paths.map((file) => path.resolve(file)) });
    },
    async picture(file) {
      const { data } = await send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true });
      fs.writeFileSync(file, Buffer.from(data, 'base64'));
    },
    async close() {
      await send('Browser.close', {}, true).catch(() => browser.kill());
      await new Promise((resolve) => { if (browser.exitCode !== null || browser.signalCode !== null) resolve(); else browser.once('exit', resolve); });
      // Its other processes may still write for a moment.
      fs.rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
  return page;
}
