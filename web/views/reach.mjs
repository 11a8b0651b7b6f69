// Who can use the page: by keys alone, by a screen reader, on a phone, in the dark, in two languages.
import { check } from '../check.mjs';

const WIDTHS = [360, 390, 768, 1280];
const TABS = ['formula', 'plan', 'kernels', 'gradients', 'saddle', 'verify', 'export'];

export async function reach(me) {
  await keys(me);
  await shapes(me);
}

// Goes to an element by the tab key; how often it was pressed.
async function tabTo(me, wanted, { shift = false } = {}) {
  for (let i = 1; i <= 120; i++) {
    await me.page.key('Tab', { shift });
    if (await me.page.evaluate(`document.activeElement?.matches(${JSON.stringify(wanted)})`)) return i;
  }
  throw new Error(`the tab key does not reach ${wanted}`);
}

// The whole way by keys: choose data, set, add a layer, train, pause, look inside, save nothing by accident.
async function keys(me) {
  const { page, figure } = me;
  await me.open('device=cpu');
  await page.key('Tab');
  check('keys: first a link past the header', await page.evaluate('document.activeElement.className'), 'skip');
  await tabTo(me, '#run');
  await page.key('Enter');
  await page.until('Number(document.querySelector("[data-figure=stepOf] dd").textContent) >= 16');
  await page.key('Enter');
  await me.still();
  await tabTo(me, '#step');
  const before = await figure('stepOf');
  await page.key(' ');
  await page.until(`Number(document.querySelector("[data-figure=stepOf] dd").textContent) === ${before + 1}`);
  await tabTo(me, '#speed');
  const speed = await page.evaluate('document.activeElement.value');
  await page.key('ArrowRight');
  check('keys: an arrow moves the slider', await page.evaluate('document.activeElement.value'), String(Number(speed) + 1));
  await tabTo(me, '#optimizer');
  await page.key('ArrowUp');
  await me.still();
  check('keys: an arrow chooses another optimizer', await page.evaluate('document.getElementById("optimizer").value'), 'rmsProp');
  await tabTo(me, '[name=set]');
  await page.key('ArrowRight');
  await me.still();
  check('keys: an arrow chooses other data', await page.evaluate('document.querySelector("[name=set]:checked").value'), 'xor');
  await tabTo(me, '#noise');
  await page.key('ArrowRight');
  await me.still();
  check('keys: an arrow moves the noise', await page.evaluate('[document.getElementById("noise").value, document.getElementById("noiseSaid").textContent]'), ['0.11', '0.11']);
  await tabTo(me, '#layerCount-more');
  await page.key('Enter');
  await page.until('document.querySelectorAll("#layers .group").length === 4');
  check('keys: the focus stays on the button', await page.evaluate('document.activeElement.id'), 'layerCount-more');
  await me.still();
  await tabTo(me, '#neuron');
  await page.key('Home');
  await page.until('document.getElementById("planeName").textContent.includes("a₁")');
  await tabTo(me, '#weights input');
  for (const key of '2.5') await page.key(key);
  await page.key('Enter');
  await me.tab('formula', '2.500');
  await page.evaluate('document.getElementById("weights").scrollIntoView()');
  await page.evaluate('document.getElementById("neuron").focus()');
  await tabTo(me, '#boundary');
  await page.key('ArrowUp');
  await page.until('document.getElementById("sampleSaid").textContent.includes("(0.00, 0.05)")');
  await tabTo(me, '[role=tab]');
  for (const name of TABS.slice(1)) {
    await page.key('ArrowRight');
    await page.until(`document.activeElement.id === "tab-${name}" && document.getElementById("panel").getAttribute("aria-labelledby") === "tab-${name}"`);
  }
  await page.key('Home');
  await page.until('document.activeElement.id === "tab-formula"');
  await tabTo(me, '#device', { shift: true });
  check('keys: what has the focus is seen', await page.evaluate('{ const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement); outlineStyle !== "none" && parseFloat(outlineWidth) >= 2; }'), true);
}

// Every width, language and colour scheme: nothing sticks out, all text can be read, all controls have names.
async function shapes(me) {
  const { page } = me;
  for (const language of ['en', 'zh']) {
    for (const scheme of ['light', 'dark']) {
      await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      await me.open(`device=cpu&language=${language}&layers=6,4&data=circle`);
      await me.train(24);
      for (const width of WIDTHS) {
        await page.size(width, width < 700 ? 800 : 900, width < 700);
        await me.wait(150);
        const wide = await page.evaluate('[document.documentElement.scrollWidth, innerWidth]');
        check(`${language}, ${scheme}, ${width}: nothing sticks out`, wide[0] <= width && wide[1] === width, true);
        check(`${language}, ${scheme}, ${width}: nothing is cut`, await page.evaluate(CUT), []);
        await me.picture(`${language}-${scheme}-${width}`);
      }
      await page.size(1280, 900);
      for (const tab of TABS) {
        await me.click(`#tab-${tab}`);
        await page.until(`document.getElementById("panel").getAttribute("aria-labelledby") === "tab-${tab}" && document.getElementById("panel").children.length`);
        await me.wait(150);
        check(`${language}, ${scheme}, ${tab}: contrast`, await page.evaluate(CONTRAST), []);
        check(`${language}, ${scheme}, ${tab}: names`, await nameless(page), []);
        check(`${language}, ${scheme}, ${tab}: words are there in this language`, await page.evaluate('document.body.innerText.match(/undefined|\\[object|NaN/g) ?? []'), []);
      }
      // A fault's words, and a table's and digits' own controls.
      await me.set('#batch', -1);
      await me.fault();
      check(`${language}, ${scheme}: contrast of a fault`, await page.evaluate(CONTRAST), []);
      await me.click('[data-set=digits]');
      await page.until('!document.getElementById("draw").hidden');
      await me.still();
      await me.click('#digit');
      await page.until('document.querySelectorAll("#guesses li").length === 10');
      check(`${language}, ${scheme}: digits: contrast, names`, [await page.evaluate(CONTRAST), await nameless(page)], [[], []]);
      await me.drop(me.table());
      await page.until('document.getElementById("row").textContent.includes("size")');
      await me.still();
      check(`${language}, ${scheme}: a table: contrast, names`, [await page.evaluate(CONTRAST), await nameless(page)], [[], []]);
      await page.size(390, 800, true);
      await me.wait(150);
      check(`${language}, ${scheme}: a table on a phone`, await page.evaluate('document.documentElement.scrollWidth'), 390);
      await me.picture(`${language}-${scheme}-table-390`);
      await page.size(1280, 900);
    }
  }
  // The words of both languages are the same ones.
  check('both languages say everything', await page.evaluate('import("./texts.js").then(({ texts: { en, zh } }) => [Object.keys(en).filter((key) => !(key in zh)), Object.keys(zh).filter((key) => !(key in en))])'), [[], []]);
}

// What a screen reader has no name for.
async function nameless(page) {
  const { nodes } = await page.send('Accessibility.getFullAXTree');
  const roles = ['button', 'checkbox', 'combobox', 'slider', 'spinbutton', 'textbox', 'radio', 'tab', 'link', 'progressbar', 'image', 'img', 'application', 'tabpanel', 'radiogroup'];
  return nodes
    .filter(({ ignored, role, name }) => !ignored && roles.includes(role?.value) && !name?.value?.trim())
    .map(({ role, nodeId }) => `${role.value} ${nodeId}`);
}

// Buttons whose words do not fit in them, and text of one line that is wider than its box.
const CUT = `[...document.querySelectorAll("button, legend, h1, h2, h3, .caption, .sets span, .fields span, dt, dd")].filter((element) => element.checkVisibility() && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0).map((element) => element.textContent)`;

// Texts whose contrast with what is behind them is below 4.5, or 3 where they are large.
const CONTRAST = `{
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
  const light = (colour) => [...colour].slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || ["SCRIPT", "NOSCRIPT", "OPTION"].includes(element.tagName)) continue;
    const box = element.getBoundingClientRect();
    if (!box.width || box.right < 0) continue;
    let behind = element;
    while (behind && rgba(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const [front, back] = [light(rgba(getComputedStyle(element).color)), light(rgba(behind ? getComputedStyle(behind).backgroundColor : "white"))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const { fontSize, fontWeight } = getComputedStyle(element);
    const large = parseFloat(fontSize) >= 24 || (parseFloat(fontSize) >= 18.66 && Number(fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(element.tagName + " " + walker.currentNode.textContent.trim().slice(0, 30) + " " + ratio.toFixed(2));
  }
  found;
}`;
