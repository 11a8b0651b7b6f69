// The page's side of the engine: a promise for each call.

export class Client {
  /** `part`: what of the engine is loaded besides, `?verify` or nothing. */
  constructor(part = "") {
    this.next = 0;
    this.part = part;
    this.restart();
  }

  /** A new worker; what the one before had not answered is refused. */
  restart() {
    this.stop("the engine was begun anew");
    this.worker = new Worker(new URL(`engine.js${this.part}`, import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data: { id, value, error, dead, progress } }) => {
      const waiting = this.waiting.get(id);
      if (!waiting) return;
      if (progress) return void waiting.tell?.(...progress);
      this.waiting.delete(id);
      if (error === undefined) waiting.resolve(value);
      else waiting.reject(Object.assign(new Error(error), { dead }));
    });
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.refuse(event.message || "the worker did not start");
    });
  }

  /** Ends the worker; what it had not answered is refused. */
  stop(why) {
    this.worker?.terminate();
    this.refuse(why);
  }

  refuse(why) {
    for (const { reject } of this.waiting?.values() ?? []) reject(Object.assign(new Error(why), { dead: true }));
    this.waiting = new Map();
  }

  /** Calls a method of the engine. */
  call(method, ...args) {
    return this.told(undefined, method, ...args);
  }

  /** The same; what the engine says on the way goes to `tell`. */
  told(tell, method, ...args) {
    return new Promise((resolve, reject) => {
      const id = this.next++;
      this.waiting.set(id, { resolve, reject, tell });
      this.worker.postMessage({ id, method, args });
    });
  }
}
