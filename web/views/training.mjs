// Every view on a device: what is trained, looked at, saved and loaded.
import fs from 'node:fs';
import { check } from '../check.mjs';

// How far losses on a GPU may be off those on the CPU, of themselves: sums are added up in another order, and after some hundred steps of Adam that shows.
const GPU = 1e-4;

export async function training(me, device, losses) {
  const { page, open, click, figure, train, tab, text } = me;
  const { until } = page;
  const begun = Date.now();
  await open(`device=${device}`);
  console.log(`${device}: ready after ${Date.now() - begun} ms on ${await me.device()}`);
  check(`${device}: the device`, /^gpu:/.test(await me.device()), device === 'webgpu');
  const before = await figure('lossOf');
  await train(300);
  check(`${device}: the circle is learned`, (await figure('heldOutAccuracyOf')) > 95 && (await figure('lossOf')) < before / 3, true);
  await me.picture(`${device}-formula`);
  check(`${device}: the formula`, /tanh\(.*x₁/.test(await text('#panel')), true);
  await tab('plan', 'dispatches');
  await tab('kernels', device === 'webgpu' ? 'fn main(' : 'WGSL');
  await me.picture(`${device}-kernels`);
  await tab('gradients', '64');
  await click('#panel button');
  await until('document.querySelectorAll("#panel td.good").length === 6');
  check(`${device}: no gradient is wrong`, await page.evaluate('document.querySelectorAll("#panel td.bad").length'), 0);
  await me.picture(`${device}-gradients`);
  await tab('export', 'fn main()');
  await me.picture(`${device}-export`);

  await settings(me, device);
  await looking(me, device);
  await saddle(me, device);
  await sameLosses(me, device, losses);
  await saving(me, device);
}

// A setting of every kind; layers and neurons by plus and minus.
async function settings(me, device) {
  const { page, click, set, train } = me;
  for (const [selector, value] of [['#activation', 'relu'], ['#optimizer', 'sgd'], ['#rate', 0.1], ['#batch', 10], ['#loss', 'squared'], ['#l2', 0.001], ['#seed', 5]]) await set(selector, value);
  await click('#layerCount-more');
  await page.until('document.querySelectorAll("#layers .group").length === 4');
  await me.still();
  await click('#layer0-less');
  await me.still();
  await click('[data-feature=x1Squared]');
  await me.still();
  await train(50);
  check(`${device}: the link holds the settings`, await page.evaluate('location.hash'),
    `#features=x1%2Cx2%2Cx1Squared&layers=5%2C4%2C4&activation=relu&optimizer=sgd&rate=0.1&l2=0.001&batch=10&loss=squared&seed=5${device === 'cpu' ? '&device=cpu' : ''}`);
  await set('#batch', -1);
  check(`${device}: what is no batch size is refused`, /batch/.test(await me.fault()), true);
  await me.still();
  check(`${device}: the setting before is there again`, await page.evaluate('[document.getElementById("batch").value, location.hash.includes("batch=10")]'), ['10', true]);
  await me.quiet();
  await set('#rate', '');
  check(`${device}: what is no rate is refused`, /rate/.test(await me.fault()), true);
  await me.open(`device=${device}`);
  for (const loss of ['absolute', 'huber', 'hinge']) {
    await set('#loss', loss);
    await me.still();
    const first = await me.whole('lossOf');
    await train(150);
    check(`${device}: ${loss} is made smaller`, (await me.whole('lossOf')) < first, true);
  }
  await click('[data-set=hills]');
  await me.still();
  check(`${device}: losses of values`, await page.evaluate('[...document.getElementById("loss").options].map((option) => option.value)'), ['squared', 'absolute', 'huber']);
  check(`${device}: the hinge loss is not of values`, await page.evaluate('document.getElementById("loss").value'), 'squared');
}

// The plane, its neurons, one row's way, weights by hand.
async function looking(me, device) {
  const { page, open, click, set, text, train } = me;
  await open(`device=${device}`);
  await train(40);
  const plane = () => page.evaluate('document.getElementById("boundary").toDataURL()');
  const first = await plane();
  await click('#discrete');
  const discrete = await plane();
  await click('#discrete');
  await click('#showHeldOut');
  const without = await plane();
  await click('#showHeldOut');
  check(`${device}: signs only, and without rows held back, are other pictures`, [first === discrete, first === without, first === (await plane())], [false, false, true]);
  await set('#neuron', '0,2');
  check(`${device}: a neuron is chosen`, [/a₃/.test(await text('#planeName')), first === (await plane())], [true, false]);
  // The picture's neurons under the mouse: some place of it has one.
  await set('#neuron', '2,0');
  let seen = false;
  for (let x = 60; x < 640 && !seen; x += 20) {
    await page.mouse('#neurons canvas', x, 30);
    seen = /a₁/.test(await text('#planeName'));
  }
  check(`${device}: the mouse over a neuron shows what it sees`, seen, true);

  // A row held back, then a point of the plane by the mouse and by keys.
  await set('#sampleIndex', 2);
  await page.until('document.getElementById("sampleSaid").textContent');
  check(`${device}: a row's way`, [/The network says [01] \(\d+\.\d %\); right is [01]/.test(await text('#sampleSaid')), /one row/.test(await text('#networkHint'))], [true, true]);
  await page.mouse('#boundary', 60, 60, true);
  await page.until('document.getElementById("sampleSaid").textContent.includes("(-0.")');
  const place = await text('#sampleSaid');
  await page.evaluate('document.getElementById("boundary").focus()');
  await page.key('ArrowRight');
  await page.until(`document.getElementById("sampleSaid").textContent !== ${JSON.stringify(place)}`);
  await me.picture(`${device}-sample`);
  await click('#sampleClear');
  check(`${device}: no row is shown any more`, await text('#sampleSaid'), '');

  await set('#weights input', 7.25);
  await me.tab('formula', '+ 7.250');
  await me.quiet();
  await set('#weights input', '');
  check(`${device}: no number is no weight`, /weight/.test(await me.fault()), true);
  check(`${device}: parts are hidden`, await page.evaluate('{ const boxes = [...document.querySelectorAll("#hide input")]; boxes[1].click(); const gone = document.getElementById("data").hidden; const link = location.hash.includes("hide=data"); boxes[1].click(); [gone, link, document.getElementById("data").hidden]; }'), [true, true, false]);
}

// The saddle where all weights are 0, and the way out of it.
async function saddle(me, device) {
  const { page, open, click, text, figure, train } = me;
  await open(`device=${device}&data=clouds&layers=4&optimizer=sgd&rate=0.1`);
  await me.tab('saddle', 'Hessian');
  await click('#saddle-go');
  await page.until('document.getElementById("saddle-verdict")');
  check(`${device}: a saddle`, /^A saddle: loss 0\.69/.test(await text('#saddle-verdict')), true);
  check(`${device}: its eigenvalues`, /5 above 0, 4 below 0, 8 as good as 0/.test(await text('#saddle-found')), true);
  await me.still();
  await me.picture(`${device}-saddle`);
  await click('#run');
  await page.until('Number(document.querySelector("[data-figure=stepOf] dd").textContent) > 20');
  await click('#run');
  await me.still();
  const stuck = await figure('lossOf');
  check(`${device}: training stays at the saddle`, stuck > 0.69, true);
  await click('#saddle-go');
  await page.until('!document.getElementById("saddle-go").disabled');
  await click('#saddle-leave');
  await page.until('document.querySelector("#saddle-found .good")');
  check(`${device}: the step makes the loss fall`, [/The loss fell from 0\.69\d to 0\.\d+/.test(await text('#saddle-found .good')), (await figure('lossOf')) < stuck - 0.05], [true, true]);
  await train(100);
  check(`${device}: after it the network learns`, (await figure('lossOf')) < 0.4, true);
}

// The losses of three trainings are those of the library natively: on the CPU in every digit that the page prints, on the GPU nearly. Natively a multiplication
// and an addition are rounded once where the processor can do so; WebAssembly rounds both, so the last bits differ.
async function sameLosses(me, device, losses) {
  const { page, open, click, figure, whole, train, text } = me;
  let [worst, where] = [0, ''];
  const compare = async (name) => {
    const step = await figure('stepOf');
    const [, , loss, heldOut] = losses.get(`${name} ${step}`) ?? [];
    for (const [what, expected] of [['lossOf', loss], ['heldOutLossOf', heldOut]]) {
      const found = await whole(what);
      if (device === 'cpu') {
        check(`${name}, step ${step}: ${what} as printed`, await text(`[data-figure=${what}] dd`), expected?.toPrecision(4));
      } else {
        const off = Math.abs(found - expected) / expected;
        check(`${device}: ${name}, step ${step}: ${what} is near ${expected}`, [found, off < GPU], [found, true]);
        if (off > worst) [worst, where] = [off, `${name}, step ${step}: ${found}, not ${expected}`];
      }
    }
  };
  for (const name of ['xor', 'digits', 'table']) {
    await open(`device=${device}${name === 'table' ? '' : `&data=${name}`}`);
    if (name === 'table') {
      await me.drop(me.table());
      await page.until('document.getElementById("row").textContent.includes("size")');
    }
    await me.still();
    await compare(name);
    await train(8);
    await compare(name);
    await train(120);
    await compare(name);
    if (name === 'digits') {
      check(`${device}: digits are learned`, (await figure('heldOutAccuracyOf')) > 60, true);
      await digit(me, device);
    } else if (name === 'table') {
      check(`${device}: the table is learned`, (await figure('heldOutAccuracyOf')) > 90, true);
      await me.picture(`${device}-table`);
    }
  }
  if (device !== 'cpu') console.log(`${device}: losses are off those on the CPU by ${worst.toExponential(1)} of themselves at the most (${where})`);
  await click('[data-set=xor]');
  await page.until('!document.getElementById("plane").hidden');
}

// A digit drawn with the mouse.
async function digit(me, device) {
  const { page } = me;
  const at = async (type, y) => {
    const [left, top] = await page.evaluate('{ const pad = document.getElementById("pad"); pad.scrollIntoView({ block: "center" }); const { left, top } = pad.getBoundingClientRect(); [left, top]; }');
    await page.send('Input.dispatchMouseEvent', { type, x: left + 88, y: top + y, button: 'left', buttons: 1, clickCount: 1 });
  };
  await at('mousePressed', 30);
  for (let y = 30; y < 150; y += 10) await at('mouseMoved', y);
  await at('mouseReleased', 150);
  await page.until('document.querySelectorAll("#guesses li").length === 10');
  const sum = await page.evaluate('[...document.querySelectorAll("#guesses li")].reduce((sum, item) => sum + Number(item.lastChild.textContent.replace(" %", "")), 0)');
  check(`${device}: ten digits, 100 %`, Math.abs(sum - 100) <= 5, true);
  check(`${device}: the drawn digit's way`, /The network says \d/.test(await me.text('#sampleSaid')), true);
  await me.picture(`${device}-digits`);
  await me.click('#clear');
  await page.until('document.querySelectorAll("#guesses li").length === 0');
  await me.click('#digit');
  await page.until('document.querySelectorAll("#guesses li").length === 10');
}

// A network saved, the page opened anew, the network loaded: the same losses and the same predictions. Of points and of a table.
async function saving(me, device) {
  const { page, open, set, text, train, whole } = me;
  for (const data of ['moons', 'table']) {
    const begin = async () => {
      await open(`device=${device}&data=moons`);
      if (data === 'table') {
        await me.drop(me.table());
        await page.until('document.getElementById("row").textContent.includes("size")');
      }
      await me.still();
    };
    await begin();
    await train(60);
    const asked = async () => {
      await set('#sampleIndex', 5);
      await page.until('document.getElementById("sampleSaid").textContent');
      return [await whole('lossOf'), await whole('heldOutLossOf'), await text('#sampleSaid')];
    };
    const before = await asked();
    await me.tab('export', 'fn main()');
    const file = await me.saved('#panel button', 'network.safetensors');
    check(`${device}: the program is saved`, /fn main/.test(fs.readFileSync(await me.saved('#panel button:nth-of-type(2)', 'main.rs'), 'utf8')), true);
    const load = async (wanted) => {
      await me.tab('export', 'fn main()');
      await page.files('#model', [wanted]);
      await page.until('document.getElementById("model").value === "" && !/^(Ready|\\d+ rows)/.test(document.getElementById("message").textContent)');
    };
    if (data === 'table') {
      await open(`device=${device}`);
      await load(file);
      check(`${device}: the table is asked for`, /columns .*label: drop that file/.test(await me.fault()), true);
      await me.drop(me.file('other.csv', `a,b,c\n${Array.from({ length: 40 }, (_, i) => `${i % 7},${i % 5},${i % 2}\n`).join('')}`));
      await me.still();
      await load(file);
      check(`${device}: a network of another table`, /other\.csv has no column/.test(await me.fault()), true);
      await train(8);
    }
    await begin();
    check(`${device}: ${data}: a new network says something else`, (await whole('lossOf')) === before[0], false);
    await load(file);
    check(`${device}: ${data}: the loaded network says the same`, [/is loaded/.test(await me.message()), ...(await asked())], [true, ...before]);
  }
}
