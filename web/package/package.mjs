// Packs the npm package and uses it as somebody else's program would: node package.mjs PACKAGE NATIVE, where PACKAGE is the folder to pack and NATIVE a
// model that `steepest fit` saved. Then has TypeScript read a program that uses it, where npm can install TypeScript.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { check, done } from '../check.mjs';

const [folder, native, written] = process.argv.slice(2).map((name) => path.resolve(name));
const here = path.dirname(new URL(import.meta.url).pathname);
const data = path.join(here, '../../examples/data');
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'steepest-package-'));
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }));

// What is packed is what is said, and no more.
const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', work], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] }));
const said = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
check('files', packed.files.map((file) => file.path).sort(), ['package.json', ...said.files].sort());
check('version', /^\d+\.\d+\.\d+$/.test(said.version), true);
console.log(`${packed.filename}: ${packed.size} bytes packed, ${packed.unpackedSize} unpacked`);

// Installed beside a program of somebody else.
const installed = path.join(work, 'node_modules/steepest-web');
fs.mkdirSync(installed, { recursive: true });
execFileSync('tar', ['-xzf', path.join(work, packed.filename), '--strip-components=1', '-C', installed]);
const { initSync, Model } = await import(pathToFileURL(path.join(installed, said.main)));
initSync({ module: fs.readFileSync(path.join(installed, 'steepest_web_bg.wasm')) });

const table = (name) => fs.readFileSync(path.join(data, name), 'utf8');
const refused = (work) => work.then(() => 'nothing was refused', (error) => error.message);

// Classes.
const iris = table('iris.csv');
const epochs = [];
const options = { target: 'species', layers: [16], epochs: 60, rate: 0.01, device: 'cpu', name: 'iris.csv', onEpoch: (epoch) => { epochs.push(epoch); } };
const model = await Model.fit(iris, options);
check('epochs are told', epochs.length > 5 && epochs.every(({ epoch, loss, heldOutLoss }, i) => epoch === i + 1 && loss > 0 && heldOutLoss > 0), true);
check('the loss falls', epochs.at(-1).loss < 0.3 * epochs[0].loss, true);
const { target, task, classes, features, device } = model.describe();
check('description', { target, task, classes, count: features.length, device: /^cpu/.test(device) },
  { target: ['species'], task: 'classes', classes: ['setosa', 'versicolor', 'virginica'], count: 4, device: true });
const evaluation = await model.evaluate(iris);
check('rows', evaluation.rows, 150);
check('accuracy', evaluation.figures.accuracy > 0.93 && evaluation.figures.accuracy <= 1, true);
check('confusion', evaluation.confusion.counts.flat().reduce((a, b) => a + b), 150);
const said1 = await model.predict(new TextEncoder().encode(iris));
check('predictions', [said1.predictions.length, said1.probabilities.length, said1.predictions[0]], [150, 150, 'setosa']);
check('probabilities', said1.probabilities.every((row) => Math.abs(row.reduce((a, b) => a + b) - 1) < 1e-9), true);
const right = iris.trim().split('\n').slice(1).filter((line, i) => line.endsWith(said1.predictions[i])).length;
check('accuracy is that of the predictions', evaluation.figures.accuracy, right / 150);

// Saved and loaded, the same to the bit; the same seed gives the same file.
const file = await model.save();
const again = await Model.load(file, 'cpu');
check('a loaded model says the same', await again.predict(iris), said1);
check('saved again', Buffer.from(await again.save()).equals(Buffer.from(file)), true);
const twin = await Model.fit(iris, { ...options, onEpoch: undefined });
check('the same seed, the same predictions', (await twin.predict(iris)).probabilities, said1.probabilities);
if (written) fs.writeFileSync(written, file);

// Numbers, with missing values and categories; ended by the caller.
const mpg = table('mpg.csv');
const early = await Model.fit(mpg, { target: 'mpg', epochs: 500, device: 'cpu', onEpoch: ({ epoch }) => epoch < 40 });
const figures = (await early.evaluate(mpg)).figures;
check('R2', figures.r2 > 0.8 && figures.rmse > figures.mae, true);
const numbers = (await early.predict(mpg)).predictions;
check('numbers', numbers.length > 390 && numbers.every((x) => x > 0 && x < 60), true);

// A model that `steepest fit` saved.
const fitted = await Model.load(fs.readFileSync(native), 'cpu');
check('a native model', fitted.describe().target, ['species']);
check('its accuracy', (await fitted.evaluate(iris)).figures.accuracy > 0.9, true);

// Faults are sentences, and the next call works.
check('no target', /target is not said/.test(await refused(Model.fit(iris, {}))), true);
check('an unknown target', /column `flower`: found no such column/.test(await refused(Model.fit(iris, { target: 'flower', device: 'cpu' }))), true);
check('an unknown option', /unknown field `epoch`/.test(await refused(Model.fit(iris, { target: 'species', epoch: 3 }))), true);
check('a ragged table', /table\.csv: line 3/.test(await refused(Model.fit('a,b\n1,2\n3,4,5\n', { target: 'b', device: 'cpu' }))), true);
check('no table', /a table is the text/.test(await refused(Model.fit(7, { target: 'b', device: 'cpu' }))), true);
check('no WebGPU here', /GPU/.test(await refused(Model.fit(iris, { target: 'species', device: 'webgpu' }))), true);
check('no model', /safetensors|header/.test(await refused(Model.load(new TextEncoder().encode('nothing'), 'cpu'))), true);
check('columns of another table', /no column/.test(await refused(model.predict(mpg))), true);
check('what is thrown in between', /onEpoch: Error: enough/.test(await refused(Model.fit(iris, { ...options, onEpoch: () => { throw new Error('enough'); } }))), true);
check('it goes on', (await model.evaluate(iris)).rows, 150);

// TypeScript.
const compiler = path.resolve('target/typescript/node_modules/typescript/bin/tsc');
if (!fs.existsSync(compiler)) {
  fs.mkdirSync('target/typescript', { recursive: true });
  spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--silent', '--prefix', 'target/typescript', 'typescript@5.9.3']);
}
if (fs.existsSync(compiler)) {
  fs.writeFileSync(path.join(work, 'package.json'), '{"type":"module"}');
  const compile = (text) => {
    fs.writeFileSync(path.join(work, 'program.ts'), text);
    const { status, stdout } = spawnSync(process.execPath, [compiler, '--strict', '--noEmit', '--module', 'nodenext', '--lib', 'es2024,dom,esnext.disposable', 'program.ts'], { cwd: work, encoding: 'utf8' });
    return status === 0 ? 'right' : stdout;
  };
  const program = (line) => `import init, { Model, type Epoch } from "steepest-web";\nawait init();\n${line}\n`;
  check('TypeScript', compile(program(`const told: Epoch[] = [];
const model = await Model.fit("a,b\\n1,2\\n", { target: "b", layers: [8], device: "auto", onEpoch: (epoch) => { told.push(epoch); } });
const accuracy: number | undefined = (await model.evaluate("a,b\\n")).figures.accuracy;
const first: number | string | number[] = (await model.predict(new Uint8Array())).predictions[0]!;
const file: Uint8Array = await (await Model.load(await model.save(), "cpu")).save();
console.log(accuracy, first, file.length);`)), 'right');
  check('TypeScript refuses what is wrong', /Property 'target' is missing/.test(compile(program('await Model.fit("a", {});'))), true);
  check('TypeScript refuses an unknown device', /not assignable/.test(compile(program('await Model.load(new Uint8Array(), "tpu");'))), true);
} else {
  console.log('SKIPPED (npm cannot install typescript): the types are not read by TypeScript');
}
done();
