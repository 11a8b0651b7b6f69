// Pictures on canvases: planes, neurons with their weights, curves.

/** The colours of the theme. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ground: of("--ground"), card: of("--card"), ink: of("--ink"), dim: of("--dim"), line: of("--line"), below: of("--below"), above: of("--above") };
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** A picture of side × side numbers: `above` for large ones, `below` for those under 0. */
export function picture(numbers, side, scale = 1) {
  const { above, below, card } = colours();
  const [up, down, ground] = [above, below, card].map(rgb);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const value = Math.tanh(numbers[i] * scale);
    const colour = value < 0 ? down : up;
    const part = Math.min(1, Math.abs(value)) * 0.9;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = ground[c] + (colour[c] - ground[c]) * part;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Draws points [x, y, label] of the plane from −1.1 to 1.1. */
export function points(context, size, list, radius = 2.6) {
  const { above, below, card } = colours();
  for (const [x, y, label] of list) {
    context.beginPath();
    context.arc(((x + 1.1) / 2.2) * size, ((1.1 - y) / 2.2) * size, radius, 0, 2 * Math.PI);
    context.fillStyle = label > 0 ? above : below;
    context.fill();
    context.strokeStyle = card;
    context.lineWidth = 0.8;
    context.stroke();
  }
}

/** The network: a column per layer, squares for neurons, lines for weights. */
export function network(canvas, inputs, weights, pictures) {
  const { ink, dim, above, below, line, card } = colours();
  const columns = [inputs.length, ...weights.map((layer) => layer.bias.length)];
  const shown = columns.map((count) => Math.min(count, 16));
  const [square, gap, across] = [38, 12, 128];
  const ratio = devicePixelRatio || 1;
  const width = 84 + (columns.length - 1) * across + square + 8;
  const height = Math.max(...shown) * (square + gap) + 30;
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const left = (column) => 84 + column * across;
  const top = (column, i) => (height - 22 - shown[column] * (square + gap)) / 2 + i * (square + gap) + 6;
  weights.forEach((layer, column) => {
    const largest = Math.max(1e-6, ...layer.weight.flat().map(Math.abs));
    for (let to = 0; to < shown[column + 1]; to++) {
      for (let from = 0; from < shown[column]; from++) {
        const weight = layer.weight[to][from];
        const [x, y, u, v] = [left(column) + square, top(column, from) + square / 2, left(column + 1), top(column + 1, to) + square / 2];
        context.beginPath();
        context.moveTo(x, y);
        context.bezierCurveTo((x + u) / 2, y, (x + u) / 2, v, u, v);
        context.strokeStyle = weight > 0 ? above : below;
        context.globalAlpha = 0.25 + (0.65 * Math.abs(weight)) / largest;
        context.lineWidth = 0.4 + (4 * Math.abs(weight)) / largest;
        context.stroke();
      }
    }
  });
  context.globalAlpha = 1;
  context.font = "12px system-ui, sans-serif";
  let at = 0;
  columns.forEach((count, column) => {
    for (let i = 0; i < shown[column]; i++) {
      const [x, y] = [left(column), top(column, i)];
      context.fillStyle = card;
      context.fillRect(x, y, square, square);
      const shownPicture = column === 0 ? null : pictures[at + i];
      if (shownPicture) context.drawImage(shownPicture, x, y, square, square);
      else if (column > 0) {
        const bias = weights[column - 1].bias[i];
        context.globalAlpha = Math.min(0.9, Math.abs(Math.tanh(2 * bias)));
        context.fillStyle = bias > 0 ? above : below;
        context.fillRect(x, y, square, square);
        context.globalAlpha = 1;
      }
      context.strokeStyle = line;
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, square - 1, square - 1);
      if (column === 0) {
        context.fillStyle = ink;
        context.textAlign = "right";
        const name = inputs[i].length > 12 ? `${inputs[i].slice(0, 11)}…` : inputs[i];
        context.fillText(name, x - 6, y + square / 2 + 4);
      }
    }
    if (count > shown[column]) {
      context.fillStyle = dim;
      context.textAlign = "left";
      context.fillText(`+ ${count - shown[column]}`, left(column), height - 8);
    }
    if (column > 0) at += count;
  });
}

/** Two curves over steps, the vertical axis logarithmic where they span more than a factor of 20. */
export function curve(canvas, history, names) {
  const { ink, dim, above, below, line } = colours();
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth || 640;
  const height = Math.max(150, width * 0.375);
  Object.assign(canvas, { width: width * ratio, height: height * ratio });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  const values = history.flatMap(({ loss, heldOutLoss }) => [loss, heldOutLoss]).filter((value) => Number.isFinite(value));
  if (values.length < 2) return;
  const log = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 20;
  const scale = (value) => (log ? Math.log10(value) : value);
  const [low, high] = [scale(Math.min(...values)), scale(Math.max(...values))];
  const [x0, x1, y0, y1] = [52, width - 8, 10, height - 24];
  const last = Math.max(1, history.at(-1).step);
  const x = (step) => x0 + ((x1 - x0) * step) / last;
  const y = (value) => y1 - ((y1 - y0) * (scale(value) - low)) / Math.max(1e-9, high - low);
  context.strokeStyle = line;
  context.fillStyle = dim;
  for (let i = 0; i <= 3; i++) {
    const at = low + ((high - low) * i) / 3;
    const value = log ? 10 ** at : at;
    context.beginPath();
    context.moveTo(x0, y(value));
    context.lineTo(x1, y(value));
    context.stroke();
    context.textAlign = "right";
    context.fillText(value.toPrecision(2), x0 - 6, y(value) + 4);
  }
  context.textAlign = "right";
  context.fillText(String(last), x1, height - 6);
  [["loss", above], ["heldOutLoss", below]].forEach(([key, colour], which) => {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.setLineDash(which ? [6, 4] : []);
    context.beginPath();
    history.filter((entry) => Number.isFinite(entry[key])).forEach((entry, i) => (i ? context.lineTo(x(entry.step), y(entry[key])) : context.moveTo(x(entry.step), y(entry[key]))));
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = ink;
    context.textAlign = "left";
    context.fillText(`${which ? "╌" : "─"} ${names[which]}`, x0 + 8 + which * 130, height - 6);
  });
}
