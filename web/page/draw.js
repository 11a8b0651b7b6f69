// Pictures on canvases: planes, neurons with their weights, curves.

/** The colours of the theme. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    ground: of("--ground"), card: of("--card"), ink: of("--ink"), dim: of("--dim"), line: of("--line"), accent: of("--accent"),
    below: of("--below"), above: of("--above"), bad: of("--bad"),
  };
}

const FONT = "system-ui, sans-serif";

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** A canvas made ready for so many points of the page: its context, whose unit is such a point. */
function sized(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = `12px ${FONT}`;
  return context;
}

/** A picture of side × side numbers: `above` for large ones, `below` for those under 0; of only these two where it is discrete. */
export function picture(numbers, side, discrete = false) {
  const { above, below, card } = colours();
  const [up, down, ground] = [above, below, card].map(rgb);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const value = discrete ? Math.sign(numbers[i]) : Math.tanh(numbers[i]);
    const colour = value < 0 ? down : up;
    // Paler than points, which lie on it.
    const part = Math.min(1, Math.abs(value)) * 0.62;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = ground[c] + (colour[c] - ground[c]) * part;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Draws points [x, y, label, 1 if held back] of the plane from −1.1 to 1.1; those held back have a dark rim. */
export function points(context, size, list, radius = 3) {
  const { above, below, card, ink } = colours();
  for (const [x, y, label, heldOut] of list) {
    context.beginPath();
    context.arc(((x + 1.1) / 2.2) * size, ((1.1 - y) / 2.2) * size, radius, 0, 2 * Math.PI);
    context.fillStyle = label > 0 ? above : below;
    context.fill();
    context.strokeStyle = heldOut ? ink : card;
    context.lineWidth = heldOut ? 1.2 : 0.8;
    context.stroke();
  }
}

/** A cross where a sample is. */
export function cross(context, size, [x, y]) {
  const { ink, card } = colours();
  const [u, v] = [((x + 1.1) / 2.2) * size, ((1.1 - y) / 2.2) * size];
  for (const [colour, width] of [[card, 5], [ink, 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(u, v, 8, 0, 2 * Math.PI);
    context.moveTo(u - 13, v); context.lineTo(u - 4, v);
    context.moveTo(u + 4, v); context.lineTo(u + 13, v);
    context.moveTo(u, v - 13); context.lineTo(u, v - 4);
    context.moveTo(u, v + 4); context.lineTo(u, v + 13);
    context.stroke();
  }
}

/** Neurons of a layer that are shown. */
export const SHOWN = 16;

/**
 * The network: a column per layer, squares for neurons, lines for weights. `seen` are pictures of the inputs, `sample` the values of one row,
 * column by column; `chosen` is a neuron, [layer, neuron]. The squares' places are returned, so that a pointer finds them: {layer, neuron, x, y, size}, with layer −1 for the inputs.
 */
export function network(canvas, room, inputs, weights, pictures, { seen = [], sample = null, chosen = null } = {}) {
  const { ink, dim, above, below, line, card, accent } = colours();
  const columns = [inputs.length, ...weights.map((layer) => layer.bias.length)];
  const shown = columns.map((count) => Math.min(count, SHOWN));
  const tall = Math.max(...shown);
  const narrow = room < 480;
  const [square, gap] = tall > 10 ? [34, 8] : tall > 6 || narrow ? [40, 12] : [50, 16];
  const letters = narrow ? 9 : 14;
  const names = inputs.slice(0, SHOWN).map((name) => (name.length > letters ? `${name.slice(0, letters - 1)}…` : name));
  canvas.getContext("2d").font = `12px ${FONT}`;
  const before = Math.max(...names.map((name) => canvas.getContext("2d").measureText(name).width)) + 16;
  const free = (room - before - square - 8) / (columns.length - 1) - square;
  const across = square + Math.min(190, Math.max(narrow ? 26 : 56, free));
  const width = before + (columns.length - 1) * across + square + 8;
  const height = tall * (square + gap) + 26;
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = sized(canvas, width, height);
  const left = (column) => before + column * across;
  const top = (column, i) => (height - 20 - shown[column] * (square + gap)) / 2 + i * (square + gap) + gap / 2;
  weights.forEach((layer, column) => {
    const largest = Math.max(1e-6, ...layer.weight.flat().map(Math.abs));
    for (let to = 0; to < shown[column + 1]; to++) {
      for (let from = 0; from < shown[column]; from++) {
        const weight = layer.weight[to][from];
        const [x, y, u, v] = [left(column) + square, top(column, from) + square / 2, left(column + 1), top(column + 1, to) + square / 2];
        const looked = chosen && chosen[0] === column && chosen[1] === to;
        context.beginPath();
        context.moveTo(x, y);
        context.bezierCurveTo((x + u) / 2, y, (x + u) / 2, v, u, v);
        context.strokeStyle = weight > 0 ? above : below;
        context.globalAlpha = looked ? 1 : 0.2 + (0.6 * Math.abs(weight)) / largest;
        context.lineWidth = 0.5 + (4 * Math.abs(weight)) / largest;
        context.stroke();
      }
    }
  });
  context.globalAlpha = 1;
  const places = [];
  let at = 0;
  columns.forEach((count, column) => {
    for (let i = 0; i < shown[column]; i++) {
      const [x, y] = [left(column), top(column, i)];
      places.push({ layer: column - 1, neuron: i, x, y, size: square });
      context.fillStyle = card;
      context.fillRect(x, y, square, square);
      const value = sample?.[column]?.[i];
      const tint = value ?? (column > 0 && !pictures.length ? 2 * weights[column - 1].bias[i] : null);
      const shownPicture = value !== undefined ? null : column > 0 ? pictures[at + i] : seen[i];
      if (shownPicture) context.drawImage(shownPicture, x, y, square, square);
      else if (tint !== null) {
        context.globalAlpha = Math.min(0.85, Math.abs(Math.tanh(tint)));
        context.fillStyle = tint > 0 ? above : below;
        context.fillRect(x, y, square, square);
        context.globalAlpha = 1;
      }
      if (value !== undefined) {
        const written = Math.abs(value) >= 100 ? value.toPrecision(2) : value.toFixed(2);
        context.font = `600 ${square > 36 ? 12 : 10}px ${FONT}`;
        context.textAlign = "center";
        const wide = context.measureText(written).width + 6;
        context.fillStyle = card;
        context.fillRect(x + square / 2 - wide / 2, y + square / 2 - 8, wide, 16);
        context.fillStyle = ink;
        context.fillText(written, x + square / 2, y + square / 2 + 4);
        context.font = `12px ${FONT}`;
      }
      const looked = chosen && chosen[0] === column - 1 && chosen[1] === i;
      context.strokeStyle = looked ? accent : line;
      context.lineWidth = looked ? 3 : 1;
      context.strokeRect(x + 0.5, y + 0.5, square - 1, square - 1);
      if (column === 0) {
        context.fillStyle = ink;
        context.textAlign = "right";
        context.fillText(names[i], x - 7, y + square / 2 + 4);
      }
    }
    if (count > shown[column]) {
      context.fillStyle = dim;
      context.textAlign = "left";
      context.fillText(`+ ${count - shown[column]}`, left(column), height - 6);
    }
    if (column > 0) at += count;
  });
  return places;
}

/** Lines and numbers of a vertical axis. */
function axis(context, { x0, x1, y, low, high, label, count = 3 }) {
  const { dim, line } = colours();
  context.strokeStyle = line;
  context.fillStyle = dim;
  context.lineWidth = 1;
  context.textAlign = "right";
  for (let i = 0; i <= count; i++) {
    const at = low + ((high - low) * i) / count;
    context.beginPath();
    context.moveTo(x0, y(at));
    context.lineTo(x1, y(at));
    context.stroke();
    context.fillText(label(at), x0 - 6, y(at) + 4);
  }
}

/** Two curves over steps, the vertical axis logarithmic where they span more than a factor of 20. */
export function curve(canvas, history, names) {
  const { ink, dim, above, below } = colours();
  const width = canvas.clientWidth || 640;
  const height = Math.min(220, Math.max(150, width * 0.4));
  canvas.style.height = `${height}px`;
  const context = sized(canvas, width, height);
  const values = history.flatMap(({ loss, heldOutLoss }) => [loss, heldOutLoss]).filter((value) => Number.isFinite(value));
  if (!values.length) return;
  const log = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 20;
  const scale = (value) => (log ? Math.log10(value) : value);
  let [low, high] = [scale(Math.min(...values)), scale(Math.max(...values))];
  // Curves that do not move lie in the middle.
  if (high - low < 1e-9) [low, high] = [low - 0.5 * Math.abs(low || 1), high + 0.5 * Math.abs(high || 1)];
  const [x0, x1, y0, y1] = [52, width - 8, 10, height - 26];
  const last = Math.max(1, history.at(-1).step);
  const x = (step) => x0 + ((x1 - x0) * step) / last;
  const y = (at) => y1 - ((y1 - y0) * (at - low)) / (high - low);
  axis(context, { x0, x1, y, low, high, label: (at) => (log ? 10 ** at : at).toPrecision(high - low < 0.1 * Math.abs(high) ? 4 : 2) });
  let from = x0;
  [["loss", above], ["heldOutLoss", below]].forEach(([key, colour], which) => {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.setLineDash(which ? [6, 4] : []);
    context.beginPath();
    history.filter((entry) => Number.isFinite(entry[key])).forEach((entry, i) => (i ? context.lineTo(x(entry.step), y(scale(entry[key]))) : context.moveTo(x(entry.step), y(scale(entry[key])))));
    context.stroke();
    if (history.length === 1 && Number.isFinite(history[0][key])) {
      context.fillStyle = colour;
      context.beginPath();
      context.arc(x(history[0].step), y(scale(history[0][key])), 3, 0, 2 * Math.PI);
      context.fill();
    }
    context.beginPath();
    context.moveTo(from, height - 10);
    context.lineTo(from + 22, height - 10);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = ink;
    context.textAlign = "left";
    context.fillText(names[which], from + 28, height - 6);
    from += 44 + context.measureText(names[which]).width;
  });
  context.fillStyle = dim;
  context.textAlign = "right";
  context.fillText(String(last), x1, height - 6);
}

/** Losses over a plane: bands from dark (low) to light (high), whose edges are contours; a cross where the network is, an arrow along the way out. */
export function surface(canvas, numbers, side) {
  const { card, above, ink } = colours();
  const size = Math.min(canvas.parentElement.clientWidth || 260, 260);
  Object.assign(canvas.style, { width: `${size}px`, height: `${size}px` });
  const context = sized(canvas, size, size);
  const finite = numbers.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const [light, dark] = [card, above].map(rgb);
  const fine = 4;
  // A number between those there are.
  const between = (u, v) => {
    const [i, j] = [Math.min(side - 2, Math.floor(u)), Math.min(side - 2, Math.floor(v))];
    const [a, b] = [u - i, v - j];
    const of = (x, y) => numbers[y * side + x] ?? high;
    return (1 - b) * ((1 - a) * of(i, j) + a * of(i + 1, j)) + b * ((1 - a) * of(i, j + 1) + a * of(i + 1, j + 1));
  };
  const image = document.createElement("canvas");
  image.width = image.height = side * fine;
  const data = image.getContext("2d").createImageData(image.width, image.height);
  for (let row = 0; row < image.height; row++) {
    for (let column = 0; column < image.width; column++) {
      const value = between((column / (image.width - 1)) * (side - 1), (row / (image.height - 1)) * (side - 1));
      // Bands are finer near the lowest losses.
      const part = 1 - Math.floor(14 * Math.sqrt(Math.max(0, (value - low) / Math.max(1e-12, high - low)))) / 14;
      const at = 4 * (row * image.width + column);
      for (let c = 0; c < 3; c++) data.data[at + c] = light[c] + (dark[c] - light[c]) * part * 0.9;
      data.data[at + 3] = 255;
    }
  }
  image.getContext("2d").putImageData(data, 0, 0);
  context.drawImage(image, 0, 0, size, size);
  cross(context, size, [0, 0]);
  // The way out goes to the right.
  const [middle, to] = [size / 2, size * 0.82];
  for (const [colour, width] of [[card, 6], [ink, 2.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(middle + 16, middle);
    context.lineTo(to, middle);
    context.moveTo(to - 8, middle - 6);
    context.lineTo(to, middle);
    context.lineTo(to - 8, middle + 6);
    context.stroke();
  }
}

/** The loss along a line through the network's place, from −span to span. */
export function graph(canvas, numbers, span) {
  const { above, dim, ink } = colours();
  const size = Math.min(canvas.parentElement.clientWidth || 260, 320);
  Object.assign(canvas.style, { width: `${size}px`, height: "260px" });
  const context = sized(canvas, size, 260);
  const finite = numbers.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite, Math.min(...finite) + 1e-6)];
  const [x0, x1, y0, y1] = [52, size - 10, 12, 232];
  const x = (i) => x0 + ((x1 - x0) * i) / (numbers.length - 1);
  const y = (value) => y1 - ((y1 - y0) * (value - low)) / (high - low);
  axis(context, { x0, x1, y, low, high, label: (at) => at.toPrecision(3) });
  context.strokeStyle = above;
  context.lineWidth = 2.5;
  context.beginPath();
  numbers.forEach((value, i) => Number.isFinite(value) && (i ? context.lineTo(x(i), y(value)) : context.moveTo(x(i), y(value))));
  context.stroke();
  const middle = (numbers.length - 1) / 2;
  context.fillStyle = ink;
  context.beginPath();
  context.arc(x(middle), y(numbers[middle]), 5, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = dim;
  context.textAlign = "center";
  [-span, 0, span].forEach((value, i) => context.fillText(value ? value.toPrecision(2) : "0", x((middle * i)) + [10, 0, -10][i], 252));
}

/** Eigenvalues as stems: those below 0 go down. */
export function spectrum(canvas, values, flat) {
  const { above, below, dim } = colours();
  const size = Math.min(canvas.parentElement.clientWidth || 260, 320);
  Object.assign(canvas.style, { width: `${size}px`, height: "260px" });
  const context = sized(canvas, size, 260);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const [x0, x1, y0, y1] = [60, size - 10, 12, 246];
  const y = (value) => y1 - ((y1 - y0) * (value - low)) / Math.max(1e-12, high - low);
  axis(context, { x0, x1, y, low, high, label: (at) => (Math.abs(at) < 1e-9 * (high - low) ? "0" : at.toPrecision(2)) });
  const step = (x1 - x0) / values.length;
  const wide = Math.max(1, Math.min(9, step * 0.7));
  values.forEach((value, i) => {
    const x = x0 + (i + 0.5) * step;
    context.strokeStyle = Math.abs(value) <= flat ? dim : value > 0 ? above : below;
    context.lineWidth = wide;
    context.beginPath();
    context.moveTo(x, y(0));
    // What is 0 is seen too.
    context.lineTo(x, Math.abs(y(value) - y(0)) < 1.5 ? y(0) - 1.5 : y(value));
    context.stroke();
  });
  context.strokeStyle = dim;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x0, y(0));
  context.lineTo(x1, y(0));
  context.stroke();
}
