// Trains in headless Chromium, on WebGPU by SwiftShader and on the processor: node chromium.mjs FOLDER LOSSES, where FOLDER holds page.html and what
// wasm-bindgen made for the web. Says SKIPPED where there is no Chromium; ends with 1 if anything differs.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { check, done } from './check.mjs';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
// A page that says nothing for so long never will.
const PATIENCE = 300_000;

const [folder, losses] = process.argv.slice(2);
const program = ['chromium', 'chromium-browser', 'google-chrome'].find((name) => spawnSync(name, ['--version']).status === 0);
if (!program) {
  console.log('SKIPPED (no Chromium): nothing is trained in a browser');
  process.exit(0);
}

// Serves the folder on the loopback address; the first post is what the page has to tell.
let tell;
const answer = new Promise((resolve) => { tell = resolve; });
const server = http.createServer((request, response) => {
  if (request.method === 'POST') {
    let body = '';
    request.on('data', (piece) => { body += piece; });
    request.on('end', () => { response.end(); tell(JSON.parse(body)); });
    return;
  }
  const file = path.join(folder, path.basename(new URL(request.url, 'http://localhost').pathname));
  if (!fs.existsSync(file)) { response.writeHead(404).end(); return; }
  response.writeHead(200, { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' });
  fs.createReadStream(file).pipe(response);
});
await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });

const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'steepest-chromium-'));
const flags = ['--headless', '--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', `--user-data-dir=${profile}`,
  '--disable-background-networking', '--disable-sync', '--disable-component-update', '--no-first-run', '--metrics-recording-only',
  '--proxy-server=127.0.0.1:9', '--proxy-bypass-list=<-loopback>;localhost;127.0.0.1'];
const browser = spawn(program, [...flags, '--remote-debugging-port=0', `http://127.0.0.1:${server.address().port}/page.html`], { stdio: 'ignore' });
const told = await Promise.race([answer, new Promise((resolve) => { setTimeout(resolve, PATIENCE, null); })]);
browser.kill();
await new Promise((resolve) => { if (browser.exitCode !== null || browser.signalCode !== null) resolve(); else browser.once('exit', resolve); });
fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
server.close();
if (!told) {
  check('the page told nothing', null, 'something');
  done();
}

console.log(JSON.stringify(told, null, 1));
const expected = fs.readFileSync(losses, 'utf8').trim().split('\n');
const number = (line) => Number(line.split(' ').pop());
for (const training of ['xor', 'digits']) {
  const should = expected.filter((line) => line.startsWith(training));
  check(`cpu ${training}`, told[`cpu ${training}`], should);
  // SwiftShader adds up in another order: the same to three digits.
  const found = told[`webgpu ${training}`];
  const near = Array.isArray(found) && found.length === should.length
    && found.every((line, i) => Math.abs(number(line) - number(should[i])) < 2e-3 * Math.max(number(should[i]), 1e-3));
  check(`webgpu ${training}`, near ? 'near' : found, 'near');
}
check('waiting for the processor', told['cpu wait'], 4);
check('waiting for a GPU is an error', /nothing can wait in a browser/.test(told['webgpu wait']), true);
check('a lost device is an error', /was lost/.test(told['webgpu lose']), true);
check('there are shaders', told.shaders > 10, true);
check('refused shaders', told.refused, []);
check('messages', told.messages, []);
done();
