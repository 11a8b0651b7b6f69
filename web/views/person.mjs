// What a person does with the page, as the tests call it.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

// A page's helpers. `pictures` is a folder for pictures of the views, or nothing.
export function person(page, address, pictures) {
  const quoted = JSON.stringify;
  const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const self = {
    page,
    address,
    wait,
    picture: async (what) => { if (pictures) await page.picture(path.join(pictures, `${what}.png`)); },
    // Opens the page with settings, and waits until there is a network.
    async open(hash) {
      await page.go(`${address}#${hash}`);
      await self.ready();
    },
    ready: () => page.until('document.body?.dataset.ready && document.querySelector("#figures div")'),
    device: () => page.evaluate('document.body.dataset.ready'),
    message: () => page.evaluate('document.getElementById("message").textContent'),
    // Waits for a fault, and returns its sentence.
    async fault() {
      await page.until('document.getElementById("message").classList.contains("bad")');
      return self.message();
    },
    // Takes the message away, so that the next one is seen.
    quiet: () => page.evaluate('{ const message = document.getElementById("message"); message.textContent = ""; message.classList.remove("bad"); }'),
    text: (selector) => page.evaluate(`document.querySelector(${quoted(selector)}).textContent`),
    click: (selector) => page.evaluate(`document.querySelector(${quoted(selector)}).click()`),
    set: (selector, value) => page.evaluate(`{ const input = document.querySelector(${quoted(selector)}); input.value = ${quoted(String(value))}; for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind)); }`),
    // A figure as it is printed, and with all its digits.
    figure: async (what) => Number((await page.evaluate(`document.querySelector('[data-figure=${what}] dd').textContent`)).replace(' %', '')),
    whole: async (what) => Number(await page.evaluate(`document.querySelector('[data-figure=${what}] dd').title`)),
    // Trains until so many steps are taken, at least.
    async train(steps) {
      await self.click('#run');
      await page.until(`Number(document.querySelector('[data-figure=stepOf] dd').textContent) >= ${steps}`, 240_000);
      await self.click('#run');
      await self.still();
    },
    // Waits until nothing is under way: the engine has answered all calls, and none follows.
    async still() {
      await page.until('document.getElementById("run").getAttribute("aria-pressed") === "false"');
      for (let quiet = 0; quiet < 3; await wait(60)) {
        quiet = (await page.evaluate('import("./state.js").then(({ client }) => client.waiting.size)')) === 0 ? quiet + 1 : 0;
      }
    },
    // Opens a tab, and waits for a text in it.
    async tab(what, content) {
      await self.click(`#tab-${what}`);
      await page.until(`document.getElementById("tab-${what}").ariaSelected === "true" && document.getElementById("panel").textContent.includes(${quoted(content)})`);
    },
    // A file with these contents; its path.
    file(name, contents) {
      const made = path.join(self.folder, name);
      fs.writeFileSync(made, contents);
      return made;
    },
    folder: fs.mkdtempSync(path.join(os.tmpdir(), 'steepest-page-')),
    // The file that a click saves.
    async saved(selector, name) {
      const made = path.join(self.folder, name);
      fs.rmSync(made, { force: true });
      await page.downloads(self.folder);
      await self.click(selector);
      for (let i = 0; !fs.existsSync(made) || fs.statSync(made).size === 0; i++) {
        if (i > 200) throw new Error(`${name} is not saved; the page says: ${await self.message()}`);
        await wait(50);
      }
      return made;
    },
    // The table of the native test of losses.
    table(name = 'things.csv', rows = 150) {
      const line = (i) => {
        const [size, red] = [(i * 37) % 101, (i * 7) % 3 === 0];
        return `${size},${['red', 'green', 'blue'][(i * 7) % 3]},${i % 13 ? (i * 3) % 17 : ''},${size + (red ? 30 : 0) > 60 ? 'large' : 'small'}\n`;
      };
      return self.file(name, `size,colour,holes,label\n${Array.from({ length: rows }, (_, i) => line(i)).join('')}`);
    },
    async drop(file) {
      await page.files('#file', [file]);
      await page.until('document.getElementById("file").value === ""');
    },
    close: () => fs.rmSync(self.folder, { recursive: true }),
  };
  return self;
}
